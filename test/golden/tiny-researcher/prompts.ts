/**
 * Writes, as JSON, what `make.py` needs to train the tiny researcher: the prompts of its two steps as the profile
 * `tongyi-v1` renders them, and the replies that it is to learn.
 *
 *   node --conditions=source test/golden/tiny-researcher/prompts.ts > prompts.json
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Observation, Turn } from '#domain';
import { tongyiV1 } from '#model';

const question = 'When was the lighthouse of Orn Skerry lit for the first time?';
const call = `<think>I look it up.</think>
<tool_call>
{"name": "search", "arguments": {"query": ["Orn Skerry lighthouse lit"]}}
</tool_call>`;
const answer = `<think>The page says when.</think>
<answer>It was lit for the first time in May 1887. <cite source="s1">was lit for the first time on 3 May 1887</cite></answer>`;

const text = readFileSync(join(import.meta.dirname, 'corpus', 'orn-skerry.md'), 'utf8');
const sha256 = 'a'.repeat(64);

function found(label: string, uri: string): Observation {
  const source = { uri, title: 'The lighthouse of Orn Skerry', sha256, bytes: text.length, fetchedAt: '2026-01-01T00:00:00Z' };
  const passage = { sha256, start: 0, end: text.length, text, headings: [], score: 1 };
  return { sections: [{ label, passages: [passage] }], sources: [source] };
}

const search = {
  name: 'search',
  description: 'Finds passages.',
  parameters: { type: 'object', properties: { query: { type: 'array', items: { type: 'string' } } }, required: ['query'] },
};

const asked: Turn = { role: 'question', text: question };
const called: Turn = { role: 'model', text: call, calls: [{ tool: 'search', args: { query: ['Orn Skerry lighthouse lit'] } }] };

function rendered(turns: readonly Turn[], mustAnswer = false) {
  const request = { turns, tools: [search], today: '2026-11-26', mustAnswer, maxCompletionTokens: 1_000, session: 'r' };
  return tongyiV1.render(request).messages;
}

const results = ['corpus:corpus/orn-skerry.md', 'corpus:notes/orn-skerry.md'].map((uri): Turn => {
  const outcome = { call: { tool: 'search', args: {} }, observation: found('Orn Skerry lighthouse lit', uri) };
  return { role: 'tools', results: [outcome] };
});
const notice: Turn = { role: 'notice', text: 'Say it again.' };

process.stdout.write(
  JSON.stringify({
    question,
    ask: [rendered([asked])],
    call,
    tell: [
      ...results.map((result) => rendered([asked, called, result])),
      ...results.map((result) => rendered([asked, called, result], true)),
      ...results.map((result) => rendered([asked, called, result, { role: 'model', text: answer, calls: [] }, notice])),
    ],
    answer,
  }),
);
