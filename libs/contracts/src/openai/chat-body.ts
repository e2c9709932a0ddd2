import { z } from 'zod';
import type { ResearchBody } from '../research.ts';
import { askedBy, messageRole, messageText } from './conversation.ts';
import { type IdleField, parseKnowing } from './fields.ts';
import { labels, namedSchema, ownFields } from './format.ts';
import { given, pick, toResearch } from './order.ts';

const sampling = "how a model samples is the deployment's to set; leave it out";
const callable = 'a run calls its own tools only; leave it out';
const spoken = 'answers are text only; leave it out';
const cached = 'how prompts are cached is up to the model server; leave it out';

/** Fields of the protocol that no run has a use for. */
const idle: Readonly<Record<string, IdleField>> = {
  temperature: { idle: [1], instead: sampling },
  top_p: { idle: [1], instead: sampling },
  frequency_penalty: { idle: [0], instead: sampling },
  presence_penalty: { idle: [0], instead: sampling },
  logit_bias: { idle: [{}], instead: sampling },
  seed: { instead: sampling },
  stop: { idle: [[]], instead: 'an answer is never cut; leave it out' },
  logprobs: { idle: [false], instead: 'no probabilities are kept; leave it out' },
  top_logprobs: { idle: [0], instead: 'no probabilities are kept; leave it out' },
  n: { idle: [1], instead: 'there is one answer; leave it out' },
  tools: { idle: [[]], instead: 'a run cannot call functions of its client; use sources or web_search_options' },
  tool_choice: { idle: ['auto', 'none'], instead: callable },
  functions: { idle: [[]], instead: callable },
  function_call: { idle: ['auto', 'none'], instead: callable },
  parallel_tool_calls: { idle: [true], instead: 'calls of one step are always made in parallel; leave it out' },
  modalities: { idle: [['text']], instead: spoken },
  audio: { instead: spoken },
  prediction: { instead: 'nothing is predicted; leave it out' },
  reasoning_effort: { instead: 'how far a run goes is set by budget' },
  verbosity: { idle: ['medium'], instead: 'write the wish into a system message' },
  service_tier: { idle: ['auto', 'default'], instead: 'there is one tier; leave it out' },
  store: { idle: [true], instead: 'every run is kept; leave it out' },
  user: { instead: 'put it into metadata' },
  safety_identifier: { instead: 'put it into metadata' },
  moderation: { instead: 'nothing is moderated; leave it out' },
  prompt_cache_key: { instead: cached },
  prompt_cache_options: { instead: cached },
  prompt_cache_retention: { instead: cached },
};

const message = z.strictObject({
  role: messageRole,
  content: messageText,
  name: z.string().nullish(),
  // What an answer brings when it is sent back.
  refusal: z.null().optional(),
  annotations: z.array(z.unknown()).nullish(),
  audio: z.null().optional(),
  function_call: z.null().optional(),
  tool_calls: z.array(z.never()).nullish(),
});

/** Body of `POST /v1/chat/completions`; `sources`, `budget` and `citations` are those of `POST /v1/research`. */
export const chatBody = z
  .strictObject({
    messages: z.array(message).min(1).max(10_000),
    model: z.string().nullish(),
    stream: z.boolean().nullish(),
    stream_options: z
      .strictObject({
        include_usage: z.boolean().nullish(),
        include_obfuscation: z.literal(false, 'only false: nothing is obfuscated').nullish(),
      })
      .nullish(),
    max_tokens: z.int().min(16).nullish(),
    max_completion_tokens: z.int().min(16).nullish(),
    metadata: labels.nullish(),
    response_format: z
      .discriminatedUnion(
        'type',
        [
          z.strictObject({ type: z.literal('text') }),
          z.strictObject({ type: z.literal('json_schema'), json_schema: namedSchema }),
        ],
        { error: 'only the types text and json_schema: an object is filled by its schema' },
      )
      .nullish(),
    web_search_options: z
      .strictObject({ search_context_size: z.literal('medium', 'only medium: a run reads what it needs').nullish() })
      .nullish(),
    ...ownFields,
  })
  .meta({
    id: 'ChatRequest',
    description:
      'A question in the form of chat completions. Fields of that API that are not listed may be null or their default.',
    examples: [{ messages: [{ role: 'user', content: 'Why do leases end?' }], stream: true, web_search_options: {} }],
  });

/** Fields of `POST /v1/research` by their names in this protocol. */
export const chatNames = {
  question: 'messages',
  input: 'messages',
  output_schema: 'response_format.json_schema.schema',
  'budget.output_tokens': 'max_completion_tokens',
} as const;

/** A request for a completion, taken apart. */
export interface ChatOrder {
  readonly body: ResearchBody;
  readonly preface?: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** Reads the body of `POST /v1/chat/completions`. @throws InvalidInput listing every fault by the names of this protocol */
export function readChatBody(raw: unknown): ChatOrder {
  const body = parseKnowing(chatBody, idle, raw);
  const { messages, response_format: format, web_search_options: web } = body;
  const said = messages.map(({ role, content }) => ({ role, text: content }));
  const { body: research, preface } = toResearch(
    {
      ...pick(body),
      asked: askedBy(said, null, 'messages'),
      sources: { named: web ? { ...body.sources, web: true } : (body.sources ?? null) },
      budget: { ...body.budget, ...given({ output_tokens: body.max_completion_tokens ?? body.max_tokens }) },
      output_schema: format?.type === 'json_schema' ? format.json_schema.schema : undefined,
    },
    chatNames,
  );
  return {
    body: research,
    ...(preface === undefined ? {} : { preface }),
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
  };
}
