import { z } from 'zod';
import type { ResponseEvent } from './projection.ts';
import { type OutputText, outputAnnotation, type ResponseResource } from './response.ts';

const finishReason = z.enum(['stop', 'length']);

const annotation = z.object({
  type: z.literal('url_citation'),
  url_citation: outputAnnotation.omit({ type: true }),
});

const chatUsage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }),
});

const example = {
  id: 'chatcmpl-019c0d2f4a10a1b2c3d4e5f60718293a',
  object: 'chat.completion',
  created: 1769860800,
  model: 'writer',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'A lease ends when nobody renews it. [1]',
        refusal: null,
        annotations: [
          {
            type: 'url_citation',
            url_citation: { start_index: 0, end_index: 35, url: 'https://example.org/leases', title: 'Leases' },
          },
        ],
      },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: 2100,
    completion_tokens: 140,
    total_tokens: 2240,
    prompt_tokens_details: { cached_tokens: 900 },
    completion_tokens_details: { reasoning_tokens: 0 },
  },
  argosy: { run_id: 'run_019c0d2f4a10a1b2c3d4e5f60718293a', degraded: [] },
};

/** The answer to `POST /v1/chat/completions`. */
export const chatCompletion = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.int(),
    model: z.string(),
    choices: z.tuple([
      z.object({
        index: z.literal(0),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string(),
          refusal: z.null(),
          annotations: z.array(annotation),
        }),
        logprobs: z.null(),
        finish_reason: finishReason,
      }),
    ]),
    usage: chatUsage.nullable(),
    argosy: z.object({ run_id: z.string(), degraded: z.array(z.string()) }),
  })
  .meta({ id: 'ChatCompletion', description: 'The answer of a run.', examples: [example] });
export type ChatCompletion = z.infer<typeof chatCompletion>;

/** A piece of a streamed completion. */
export interface ChatChunk {
  readonly object: 'chat.completion.chunk';
  readonly [field: string]: unknown;
}

/** A response that has an answer, whole or not, as a completion. */
export function toCompletion(response: ResponseResource): ChatCompletion {
  const { text, annotations } = textOf(response);
  const message = { role: 'assistant', content: text, refusal: null, annotations: annotations.map(told) } as const;
  return {
    ...head(response),
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(response) }],
    usage: usageOf(response),
    argosy: response.argosy,
  };
}

/** What is streamed of an event of a response: the role first, then the text, and how it ended with its citations. */
export function toChunks(event: ResponseEvent, response: ResponseResource, includeUsage: boolean): ChatChunk[] {
  const chunk = (delta: object, finish_reason: z.infer<typeof finishReason> | null = null): ChatChunk => ({
    ...head(response),
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    ...(includeUsage ? { usage: null } : {}),
  });
  switch (event.type) {
    case 'response.created':
      return [chunk({ role: 'assistant', content: '' })];
    case 'response.output_text.delta':
      return [chunk({ content: event['delta'] })];
    case 'response.completed':
    case 'response.incomplete': {
      // Not an end that this protocol has a word for.
      if (response.status === 'cancelled') return [];
      const annotations = textOf(response).annotations.map(told);
      const cited = annotations.length === 0 ? [] : [chunk({ annotations })];
      const usage = {
        ...head(response),
        object: 'chat.completion.chunk',
        choices: [],
        usage: usageOf(response),
      } as const;
      return [...cited, chunk({}, finishOf(response)), ...(includeUsage ? [usage] : [])];
    }
    default:
      return [];
  }
}

function head({ id, created_at, model }: ResponseResource) {
  return { id: id.replace(/^resp_/, 'chatcmpl-'), created: created_at, model };
}

function finishOf({ status }: ResponseResource): z.infer<typeof finishReason> {
  return status === 'completed' ? 'stop' : 'length';
}

function textOf({ output }: ResponseResource): OutputText {
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  return parts[0] ?? { type: 'output_text', text: '', annotations: [], logprobs: [] };
}

function told({ type, ...url_citation }: OutputText['annotations'][number]): z.infer<typeof annotation> {
  return { type, url_citation };
}

function usageOf({ usage }: ResponseResource): ChatCompletion['usage'] {
  if (usage === null) return null;
  return {
    prompt_tokens: usage.input_tokens,
    completion_tokens: usage.output_tokens,
    total_tokens: usage.total_tokens,
    prompt_tokens_details: { cached_tokens: usage.input_tokens_details.cached_tokens },
    completion_tokens_details: usage.output_tokens_details,
  };
}
