import { z } from 'zod';
import type { ResearchBody } from '../research.ts';
import { storableText } from '../text.ts';
import { askedBy, messageRole, messageText, type Said } from './conversation.ts';
import { type IdleField, parseKnowing } from './fields.ts';
import { labels, namedSchema, ownFields } from './format.ts';
import { given, pick, toResearch } from './order.ts';
import { searchTool, sourcesOf } from './tools.ts';

/** Fields of the protocol that no run has a use for. */
const idle: Readonly<Record<string, IdleField>> = {
  previous_response_id: { instead: 'send the conversation so far as a list of messages in input' },
  conversation: { instead: 'no conversations are kept; send the messages so far in input' },
  prompt: { instead: 'no prompt templates are kept; write the instructions out' },
  temperature: { idle: [1], instead: "how a model samples is the deployment's to set; leave it out" },
  top_p: { idle: [1], instead: "how a model samples is the deployment's to set; leave it out" },
  top_logprobs: { idle: [0], instead: 'no probabilities are kept; leave it out' },
  reasoning: { idle: [{}], instead: 'how far a run goes is set by max_tool_calls and budget' },
  truncation: { idle: ['auto', 'disabled'], instead: 'a full context is always made anew from a digest; leave it out' },
  service_tier: { idle: ['auto', 'default'], instead: 'there is one tier; leave it out' },
  store: { idle: [true], instead: 'every run is kept; leave it out' },
  parallel_tool_calls: { idle: [true], instead: 'calls of one step are always made in parallel; leave it out' },
  tool_choice: { idle: ['auto'], instead: 'a run chooses its tools itself; leave it out' },
  stream_options: { idle: [{}, { include_obfuscation: false }], instead: 'nothing is obfuscated; leave it out' },
  prompt_cache_key: { instead: 'a run always stays with the server that holds its prompts; leave it out' },
  prompt_cache_retention: { instead: 'how long prompts are cached is up to the model server; leave it out' },
  prompt_cache_options: { instead: 'how prompts are cached is up to the model server; leave it out' },
  user: { instead: 'put it into metadata' },
  safety_identifier: { instead: 'put it into metadata' },
  moderation: { instead: 'nothing is moderated; leave it out' },
  context_management: { instead: 'a full context is always made anew from a digest; leave it out' },
  access_programs: { instead: 'there are none; leave it out' },
  image: { instead: 'no images are read or made; leave it out' },
};

const message = z.strictObject({
  type: z.literal('message').optional(),
  role: messageRole,
  content: messageText,
  // What an output message brings when it is sent back.
  id: z.string().optional(),
  status: z.string().nullish(),
  phase: z.string().nullish(),
});

/** What an earlier response looked up. Its texts are not in it, so that nothing of it can be told to a model. */
const lookUp = z.looseObject({ type: z.enum(['web_search_call', 'file_search_call']) }).transform(() => null);

const item = z.discriminatedUnion('type', [message, lookUp], {
  error: 'only messages, and the web_search_call and file_search_call items of earlier responses, can be read',
});

export const includedData = z.literal(
  'web_search_call.action.sources',
  'only web_search_call.action.sources can be included',
);

/** Body of `POST /v1/responses`; `sources`, `budget` and `citations` are those of `POST /v1/research`. */
export const responsesBody = z
  .strictObject({
    input: z.union([z.string(), z.array(item).max(10_000)]),
    model: z.string().nullish(),
    instructions: storableText.nullish(),
    background: z.boolean().nullish(),
    stream: z.boolean().nullish(),
    max_tool_calls: z.int().min(1).nullish(),
    max_output_tokens: z.int().min(16).nullish(),
    metadata: labels.nullish(),
    text: z
      .strictObject({
        format: z
          .discriminatedUnion(
            'type',
            [z.strictObject({ type: z.literal('text') }), namedSchema.extend({ type: z.literal('json_schema') })],
            { error: 'only the types text and json_schema: an object is filled by its schema' },
          )
          .nullish(),
        verbosity: z.literal('medium', 'only medium: write the wish into instructions').nullish(),
      })
      .nullish(),
    tools: z.array(searchTool).max(32).nullish(),
    include: z.array(includedData).nullish(),
    ...ownFields,
  })
  .meta({
    id: 'ResponsesRequest',
    description:
      'A question in the form of the Responses API. Fields of that API that are not listed may be null or their default.',
    examples: [
      {
        input: 'Why do leases end?',
        background: true,
        tools: [{ type: 'web_search' }],
        max_tool_calls: 20,
        budget: { seconds: 600 },
      },
    ],
  });
export type ResponsesBody = z.infer<typeof responsesBody>;

/** What of a body is told back with the response, as it was sent. */
export const responseEcho = z.object({
  form: z.literal('responses'),
  input: z.union([z.string(), z.array(z.looseObject({}))]),
  instructions: z.string().nullable(),
  background: z.boolean(),
  max_tool_calls: z.int().nullable(),
  max_output_tokens: z.int().nullable(),
  format: z.looseObject({ type: z.string() }),
  tools: z.array(z.looseObject({ type: z.string() })),
});
export type ResponseEcho = z.infer<typeof responseEcho>;

/** A request for a response, taken apart. */
export interface ResponseOrder {
  readonly body: ResearchBody;
  readonly preface?: string;
  readonly echo: ResponseEcho;
  readonly background: boolean;
  readonly stream: boolean;
}

/** Fields of `POST /v1/research` by their names in this protocol. */
export const responseNames = {
  question: 'input',
  output_schema: 'text.format.schema',
  'budget.tool_calls': 'max_tool_calls',
  'budget.output_tokens': 'max_output_tokens',
} as const;

/** Reads the body of `POST /v1/responses`. @throws InvalidInput listing every fault by the names of this protocol */
export function readResponsesBody(raw: unknown): ResponseOrder {
  const body = parseKnowing(responsesBody, idle, raw);
  const format = body.text?.format ?? { type: 'text' as const };
  const { body: research, preface } = toResearch(
    {
      ...pick(body),
      asked: askedBy(messagesOf(body.input), body.instructions ?? null, 'input'),
      sources: sourcesOf(body.tools ?? [], body.sources),
      budget: { ...body.budget, ...given({ tool_calls: body.max_tool_calls, output_tokens: body.max_output_tokens }) },
      output_schema: format.type === 'json_schema' ? format.schema : undefined,
    },
    responseNames,
  );
  const { background, stream, max_tool_calls = null, max_output_tokens = null, instructions = null, tools } = body;
  const { input } = raw as { input: ResponseEcho['input'] }; // it was parsed above
  const echo = { form: 'responses' as const, input, instructions, background: background ?? false, format } as const;
  return {
    body: research,
    ...(preface === undefined ? {} : { preface }),
    echo: { ...echo, max_tool_calls, max_output_tokens, tools: tools ?? [] },
    background: background ?? false,
    stream: stream ?? false,
  };
}

function messagesOf(input: ResponsesBody['input']): Said[] {
  if (typeof input === 'string') return [{ role: 'user', text: input }];
  return input.flatMap((entry) => (entry === null ? [] : [{ role: entry.role, text: entry.content }]));
}
