import { z } from 'zod';

const example = {
  schema_version: 1,
  run_id: 'run_019c0d2f4a10a1b2c3d4e5f60718293a',
  question: 'Why do leases end?',
  mode: 'react',
  status: 'completed',
  model: 'writer',
  profile: 'tongyi-v1',
  degraded: ['no_web_search'],
  answer: 'A lease ends when its worker falls silent [1].',
  claims: [
    {
      text: 'A lease ends when its worker falls silent.',
      verdict: 'supported',
      citations: [{ source: 's1', start: 0, end: 37, quote: 'A worker that falls silent loses its ' }],
    },
  ],
  sources: [
    {
      id: 's1',
      uri: 'corpus:leases.md',
      title: 'Leases',
      sha256: '5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9',
      fetched_at: '2026-01-31T12:00:00.000Z',
      bytes: 61,
    },
  ],
  usage: {
    steps: 2,
    model_calls: 2,
    tool_calls: 1,
    prompt_tokens: 2100,
    cached_tokens: 900,
    completion_tokens: 160,
    usd: 0.0021,
    seconds: 7.4,
  },
  incomplete_details: null,
  removed_claims: 0,
  output: null,
  output_citations: [],
  output_faults: [],
};

const citation = z.object({
  source: z.string().meta({ description: 'The `id` of one of the sources.' }),
  start: z.int().nonnegative(),
  end: z.int().nonnegative(),
  quote: z.string().meta({ description: 'What stands there, word for word.' }),
});

const verdict = z.enum(['supported', 'unsupported']);

const source = z.object({
  id: z.string(),
  uri: z.string(),
  title: z.string(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .meta({ description: 'Of the stored text, in UTF-8: `GET /v1/research/{id}/snapshots/{sha256}` has it.' }),
  fetched_at: z.string(),
  bytes: z.int().nonnegative(),
});

const usage = z
  .object({
    steps: z.int(),
    model_calls: z.int(),
    tool_calls: z.int(),
    prompt_tokens: z.int().meta({ description: 'Of all model calls, cached ones included.' }),
    cached_tokens: z.int(),
    completion_tokens: z.int(),
    usd: z.number(),
    seconds: z.number(),
  })
  .meta({ description: 'What the run has spent.' });

/** `report.json`. `start` and `end` are UTF-16 offsets into the snapshot named by the source. */
export const reportSchema = z
  .object({
    schema_version: z.literal(1),
    run_id: z.string(),
    question: z.string(),
    mode: z.enum(['react']),
    status: z.enum(['completed', 'incomplete', 'failed', 'cancelled']),
    model: z.string().nullable().meta({ description: 'Null where no language model took part.' }),
    profile: z.string(),
    degraded: z.array(z.string()).meta({ description: 'What the run had to do without: `no_llm`, `no_web_search`.' }),
    answer: z.string().meta({ description: 'Markdown with `[n]` marks, each the n-th of the sources.' }),
    claims: z.array(z.object({ text: z.string(), verdict, citations: z.array(citation) })),
    sources: z.array(source),
    usage,
    incomplete_details: z
      .object({ reason: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Which limit ended the run.' }),
    // Reports of earlier releases lack what follows.
    removed_claims: z
      .int()
      .nonnegative()
      .default(0)
      .meta({ description: 'Claims taken out because nothing proves them; only where `citations` is `strict`.' }),
    output: z.unknown().default(null).meta({ description: 'The object that fits `output_schema`.' }),
    output_citations: z
      .array(z.object({ path: z.string(), verdict, citations: z.array(citation) }))
      .default([])
      .meta({ description: 'Proofs of fields of `output`, by JSON Pointer.' }),
    output_faults: z.array(z.string()).default([]).meta({ description: 'Why there is no `output`.' }),
    attributions: z
      .array(z.object({ provider: z.string(), text: z.string() }))
      .default([])
      .meta({ description: 'Search providers that the run was helped by, and what they ask to be said of them.' }),
  })
  .meta({
    id: 'Report',
    description:
      '`start` and `end` of a citation are UTF-16 offsets into the stored text of its source: `text.slice(start, end) === quote`.',
    examples: [example],
  });
