import { z } from 'zod';

/** A stretch of a text and where it comes from. Indices count code points, `end_index` is behind the stretch. */
export const outputAnnotation = z.object({
  type: z.literal('url_citation'),
  start_index: z.int().nonnegative(),
  end_index: z.int().nonnegative(),
  url: z.string(),
  title: z.string(),
});
export type UrlCitation = z.infer<typeof outputAnnotation>;

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(outputAnnotation),
  logprobs: z.array(z.never()),
});
export type OutputText = z.infer<typeof outputText>;

const message = z.object({
  type: z.literal('message'),
  id: z.string(),
  role: z.literal('assistant'),
  status: z.enum(['in_progress', 'completed', 'incomplete']),
  content: z.array(outputText),
});
export type OutputMessage = z.infer<typeof message>;

const callStatus = z.enum(['in_progress', 'searching', 'completed', 'failed', 'incomplete']);

const webSearchCall = z.object({
  type: z.literal('web_search_call'),
  id: z.string(),
  status: callStatus,
  action: z.discriminatedUnion('type', [
    z.object({
      type: z.literal('search'),
      query: z.string(),
      queries: z.array(z.string()),
      sources: z.array(z.object({ type: z.literal('url'), url: z.string() })).optional(),
    }),
    z.object({ type: z.literal('open_page'), url: z.string() }),
  ]),
});

const fileSearchCall = z.object({
  type: z.literal('file_search_call'),
  id: z.string(),
  status: callStatus,
  queries: z.array(z.string()),
  results: z.null(),
});
export type SearchCall = z.infer<typeof webSearchCall> | z.infer<typeof fileSearchCall>;

const responseStatus = z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']);

const responseUsage = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

const example = {
  id: 'resp_019c0d2f4a10a1b2c3d4e5f60718293a',
  object: 'response',
  created_at: 1769860800,
  completed_at: 1769860860,
  status: 'completed',
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  model: 'writer',
  output: [
    {
      type: 'web_search_call',
      id: 'ws_019c0d2f4a10a1b2c3d4e5f60718293a_0_0',
      status: 'completed',
      action: { type: 'search', query: 'lease expiry', queries: ['lease expiry'], sources: [] },
    },
    {
      type: 'message',
      id: 'msg_019c0d2f4a10a1b2c3d4e5f60718293a',
      role: 'assistant',
      status: 'completed',
      content: [
        {
          type: 'output_text',
          text: 'A lease ends when nobody renews it. [1]',
          annotations: [
            { type: 'url_citation', start_index: 0, end_index: 35, url: 'https://example.org/leases', title: 'Leases' },
          ],
          logprobs: [],
        },
      ],
    },
  ],
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: null,
  store: true,
  temperature: null,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [{ type: 'web_search' }],
  top_p: null,
  truncation: 'auto',
  usage: {
    input_tokens: 2100,
    input_tokens_details: { cached_tokens: 900, cache_write_tokens: 0 },
    output_tokens: 140,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 2240,
  },
  argosy: { run_id: 'run_019c0d2f4a10a1b2c3d4e5f60718293a', degraded: [] },
};

/** A run as `GET /v1/responses/{id}` shows it. */
export const responseResource = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.int(),
    completed_at: z.int().nullable(),
    status: responseStatus,
    background: z.boolean(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.string(), message: z.string() }).nullable(),
    instructions: z.string().nullable(),
    max_output_tokens: z.int().nullable(),
    max_tool_calls: z.int().nullable(),
    metadata: z.record(z.string(), z.string()),
    model: z.string(),
    output: z.array(z.discriminatedUnion('type', [message, webSearchCall, fileSearchCall])),
    parallel_tool_calls: z.literal(true),
    previous_response_id: z.null(),
    reasoning: z.null(),
    store: z.literal(true),
    temperature: z.null(),
    text: z.object({ format: z.looseObject({ type: z.string() }) }),
    tool_choice: z.literal('auto'),
    tools: z.array(z.looseObject({ type: z.string() })),
    top_p: z.null(),
    truncation: z.literal('auto'),
    usage: responseUsage.nullable(),
    /** The run behind it, and what it went without, once it has a report. */
    argosy: z.object({ run_id: z.string(), degraded: z.array(z.string()) }),
  })
  .meta({ id: 'Response', description: 'A run, in the form of the Responses API.', examples: [example] });
export type ResponseResource = z.infer<typeof responseResource>;
export type OutputItem = ResponseResource['output'][number];

/** The answer to `DELETE /v1/responses/{id}`. */
export const deletedResponse = z
  .object({ id: z.string(), object: z.literal('response'), deleted: z.literal(true) })
  .meta({
    id: 'DeletedResponse',
    description: 'A response that is gone.',
    examples: [{ id: example.id, object: 'response', deleted: true }],
  });
export type DeletedResponse = z.infer<typeof deletedResponse>;
