import { z } from 'zod';
import { storableText } from '../text.ts';
import type { Asked, Refused } from './asked.ts';

/** Longest instructions and conversation before a question, in characters. */
const maxPrefaceChars = 100_000;

const textPart = z
  .looseObject({
    type: z.enum(['input_text', 'output_text', 'text'], {
      error: 'only text can be read: images, files and sounds are not',
    }),
    text: storableText,
  })
  .transform(({ text }) => text);

/** What was said in one message: its text, the parts of a list one after the other. */
export const messageText = z
  .union([storableText, z.array(textPart).max(1_000)])
  .transform((content) => (typeof content === 'string' ? content : content.join('\n')));

const roles = ['user', 'assistant', 'system', 'developer'] as const;

export const messageRole = z.enum(roles, { error: `one of ${roles.join(', ')}` });

/** A message in the order of the conversation. */
export interface Said {
  readonly role: (typeof roles)[number];
  readonly text: string;
}

/**
 * Takes a conversation apart: its last message is the question, and must be the user's; messages of the system or
 * developer are instructions; what user and assistant said before is told word for word above the question.
 * @param path field to blame for faults
 */
export function askedBy(messages: readonly Said[], instructions: string | null, path: string): Asked | Refused {
  const question = messages.at(-1);
  if (question?.role !== 'user') {
    return { problem: { path, message: 'the last message must be of the user: it is the question' } };
  }
  const isRule = ({ role }: Said) => role === 'system' || role === 'developer';
  const rules = [instructions ?? '', ...messages.filter(isRule).map(({ text }) => text)].filter((text) => text !== '');
  const before = messages.slice(0, -1).filter((message) => !isRule(message));
  if (rules.length + before.length === 0) return { question: question.text };
  const preface = [
    ...(rules.length === 0 ? [] : ['Instructions for your answer:', ...rules]),
    ...(before.length === 0 ? [] : ['What was said before:']),
    ...before.map(({ role, text }) => `${role === 'user' ? 'User' : 'You'}: ${text}`),
    'The question:',
  ].join('\n\n');
  if (preface.length <= maxPrefaceChars) return { question: question.text, preface };
  const message = `instructions and earlier messages are longer than ${maxPrefaceChars} characters: put background into a corpus`;
  return { problem: { path, message } };
}
