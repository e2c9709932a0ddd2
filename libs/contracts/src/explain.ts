import { z } from 'zod';
import { runResource } from './research.ts';

const ms = z.int().nonnegative();

const call = z.object({
  kind: z.enum(['model', 'tool']),
  step: z.int().nonnegative().meta({ description: 'The reply, from 0, that it is or that asked for it.' }),
  index: z.int().nonnegative().nullable().meta({ description: 'Which call of that reply; null for the model.' }),
  name: z.string().meta({ description: 'The tool, or the configured model.' }),
  what: z.string().meta({ description: 'What it was asked, shortened; empty for the model.' }),
  from_ms: z.int().nullable().meta({ description: 'Beginning of its last attempt; null where nobody has begun it.' }),
  to_ms: z.int().nullable().meta({ description: 'Null while it is under way.' }),
  ms: ms.meta({ description: 'How long it took, or has taken until now.' }),
  waited_ms: ms.meta({ description: 'From when it could have begun.' }),
  tries: z.int().positive(),
});

const kind = z.enum([
  ...(['queue', 'idle', 'engine_queue', 'prefill', 'decode', 'model'] as const),
  ...(['tool_queue', 'tools', 'check', 'commit'] as const),
]);

const cost = z.object({
  prompt_tokens: z.int(),
  cached_tokens: z.int(),
  completion_tokens: z.int(),
  usd: z.number(),
  nano_usd: z.int().meta({ description: 'Billionths of a USD: those of the steps add up to the run.' }),
  fees_nano_usd: z.int().meta({ description: 'Of these, the fees of tools.' }),
  gpu_seconds: z.number().nullable().meta({ description: 'Null where no server has said.' }),
});

const exampleCost = {
  ...{ prompt_tokens: 2_100, cached_tokens: 900, completion_tokens: 160 },
  ...{ usd: 0.0021, nano_usd: 2_100_000, fees_nano_usd: 1_000_000, gpu_seconds: null },
};

const example = {
  run_id: 'run_019c0d2f4a10a1b2c3d4e5f60718293a',
  status: 'completed',
  model: 'writer',
  wall_ms: 7_400,
  ms: {
    ...{ queue: 40, idle: 0, engine_queue: 10, prefill: 600, decode: 3_100, model: 0 },
    ...{ tool_queue: 20, tools: 3_500, check: 30, commit: 100 },
  },
  segments: [{ kind: 'queue', step: null, from_ms: 0, to_ms: 40 }],
  calls: [],
  slowest: [
    {
      ...{ kind: 'tool', step: 0, index: 0, name: 'visit', what: 'https://example.org/leases', tries: 1 },
      ...{ from_ms: 1_900, to_ms: 5_400, ms: 3_500, waited_ms: 20 },
    },
  ],
  cache: { prompt_tokens: 2_100, cached_tokens: 900 },
  steps: [{ number: 1, kind: 'model-replied', at_ms: 1_880, cost: exampleCost }],
  cost: exampleCost,
  retries: [],
  faults: [{ step: 0, name: 'visit', kind: 'transient', message: 'The site did not answer within 20 s.' }],
  rebought: { model_calls: 0, prompt_tokens: 0 },
  handovers: 0,
  put_off: 0,
};

/** Answer to `GET /v1/research/{id}/explain`. */
export const explanationResource = z
  .object({
    run_id: z.string(),
    status: runResource.shape.status,
    model: z.string(),
    wall_ms: ms.meta({ description: 'From its acceptance to its end, or to now.' }),
    ms: z.record(kind, ms).meta({
      description: `What the wall time went to; together it is that. \`queue\`: until a worker took the run. \`idle\`: between
two workers, or for want of one. \`engine_queue\`: until the model's engine had a place. \`prefill\`: from there to the
first text. \`decode\`: from there to the end of the reply. \`model\`: replies whose parts nobody told apart. \`tool_queue\`:
until a tool worker began a call. \`tools\`: at least one call at work. \`check\`: quotations and outputs looked up.
\`commit\`: what else lay between two commits.`,
    }),
    segments: z
      .array(z.object({ kind, step: z.int().nonnegative().nullable(), from_ms: ms, to_ms: ms }))
      .meta({ description: 'The same in order, end to end.' }),
    calls: z.array(call).meta({ description: 'Of the model and of tools, in the order in which they could begin.' }),
    slowest: z.array(call).meta({ description: 'The five that took longest, the longest first.' }),
    cache: z
      .object({ prompt_tokens: z.int(), cached_tokens: z.int() })
      .meta({ description: 'Prompt tokens of the replies, and how many of them their servers had kept.' }),
    steps: z
      .array(z.object({ number: z.int(), kind: z.string(), at_ms: z.int(), cost: cost.nullable() }))
      .meta({ description: 'What is committed, and what it cost; null where an earlier release wrote it.' }),
    cost: cost.meta({ description: 'What the run has spent: its steps add up to it.' }),
    retries: z.array(call).meta({ description: 'Calls that were made more than once.' }),
    faults: z.array(z.object({ step: z.int(), name: z.string(), kind: z.string(), message: z.string() })),
    rebought: z
      .object({ model_calls: z.int(), prompt_tokens: z.int() })
      .meta({ description: 'Replies that were lost with a worker and bought again; the tokens are an estimate.' }),
    handovers: z.int().meta({ description: 'How often the run went from one worker to another between two steps.' }),
    put_off: z.int().meta({ description: 'How often it found no place at its model and was put off.' }),
  })
  .meta({
    id: 'Explanation',
    description:
      'Where the time of a run went. Instants are milliseconds since its acceptance, by the clock of the database.',
    examples: [example],
  });
export type ExplanationResource = z.infer<typeof explanationResource>;
