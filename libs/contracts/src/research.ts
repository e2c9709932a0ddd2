import { z } from 'zod';
import { outputSchemaFault } from './output-schema.ts';
import { storableText } from './text.ts';

/** Longest question, in characters. */
const maxQuestionChars = 20_000;

const host = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^(?:[\p{L}\p{N}_-]+\.)*[\p{L}\p{N}_-]+$/u, 'a host name such as example.org, without scheme, port or path');

const webUrl = storableText
  .max(4096)
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'an absolute http:// or https:// URL');

const day = z.iso.date('a day such as 2026-01-31');

/** Where a run may look. Absent `web`: it may where it has nothing else to read, or where providers are named. */
const sources = z
  .strictObject({
    corpora: z
      .array(z.string().regex(/^c_[0-9a-f]{16}$/, 'a corpus id such as c_0123456789abcdef'))
      .max(32)
      .optional(),
    urls: z.array(webUrl).max(50).optional(),
    web: z.boolean().optional(),
    providers: z.array(z.string().min(1).max(64)).max(32).optional(),
    allow_domains: z.array(host).max(200).optional(),
    deny_domains: z.array(host).max(200).optional(),
    published_after: day.optional(),
    published_before: day.optional(),
  })
  .refine(({ web, providers = [] }) => web !== false || providers.length === 0, {
    path: ['providers'],
    message: 'there are providers to ask, and web is false: leave out one of the two',
  })
  .refine(({ published_after = '', published_before = '9' }) => published_after <= published_before, {
    path: ['published_before'],
    message: 'lies before published_after',
  });

function refuseUnusable(schema: Record<string, unknown>, context: z.core.$RefinementCtx): void {
  const message = outputSchemaFault(schema);
  if (message !== null) context.addIssue({ code: 'custom', message });
}

/** Body of `POST /v1/research`. */
export const researchBody = z.strictObject({
  question: storableText
    .trim()
    .min(1, 'the question is empty: write what you want to know')
    .max(maxQuestionChars, `the question is longer than ${maxQuestionChars} characters: put background into a corpus`),
  mode: z.enum(['react']).optional(),
  model: z.string().min(1).max(200).optional(),
  budget: z
    .strictObject({
      steps: z.int().min(1).max(10_000).optional(),
      tokens: z.int().min(1).optional(),
      seconds: z.number().positive().max(86_400).optional(),
      usd: z.number().positive().optional(),
      output_tokens: z.int().min(16).optional(),
      tool_calls: z.int().min(1).max(100_000).optional(),
    })
    .optional(),
  sources: sources.optional(),
  citations: z.enum(['mark', 'strict']).optional(),
  output_schema: z.record(z.string(), z.unknown()).superRefine(refuseUnusable).optional(),
  metadata: z.record(storableText.max(64), storableText.max(512)).optional(),
});
export type ResearchBody = z.infer<typeof researchBody>;

const citation = z.object({
  source: z.string(),
  start: z.int().nonnegative(),
  end: z.int().nonnegative(),
  quote: z.string(),
});

const verdict = z.enum(['supported', 'unsupported']);

/** `report.json`. `start` and `end` are UTF-16 offsets into the snapshot named by the source. */
export const reportSchema = z.object({
  schema_version: z.literal(1),
  run_id: z.string(),
  question: z.string(),
  mode: z.enum(['react']),
  status: z.enum(['completed', 'incomplete', 'failed', 'cancelled']),
  model: z.string().nullable(),
  profile: z.string(),
  degraded: z.array(z.string()),
  answer: z.string(),
  claims: z.array(z.object({ text: z.string(), verdict, citations: z.array(citation) })),
  sources: z.array(
    z.object({
      id: z.string(),
      uri: z.string(),
      title: z.string(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      fetched_at: z.string(),
      bytes: z.int().nonnegative(),
    }),
  ),
  usage: z.object({
    steps: z.int(),
    model_calls: z.int(),
    tool_calls: z.int(),
    prompt_tokens: z.int(),
    cached_tokens: z.int(),
    completion_tokens: z.int(),
    usd: z.number(),
    seconds: z.number(),
  }),
  incomplete_details: z.object({ reason: z.string(), message: z.string() }).nullable(),
  // Reports of earlier releases lack what follows.
  removed_claims: z.int().nonnegative().default(0),
  output: z.unknown().default(null),
  output_citations: z.array(z.object({ path: z.string(), verdict, citations: z.array(citation) })).default([]),
  output_faults: z.array(z.string()).default([]),
});

/** A run as `GET /v1/research/{id}` shows it; lists leave the report out. */
export const runResource = z.object({
  id: z.string(),
  status: z.enum(['queued', 'running', 'waiting', 'completed', 'incomplete', 'failed', 'cancelled']),
  question: z.string(),
  model: z.string(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  ended_at: z.string().nullable(),
  queue_position: z.int().nullable(),
  metadata: z.record(z.string(), z.string()),
  report: reportSchema.nullable(),
});
export type RunResource = z.infer<typeof runResource>;

/** Answer to `POST /v1/research`. */
export const acceptedResource = z.object({
  id: z.string(),
  status: runResource.shape.status,
  queue_position: z.int().nullable(),
});
export type AcceptedResource = z.infer<typeof acceptedResource>;

/** Every error of the API. */
export const errorResource = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    /** The field of the first fault. */
    param: z.string().optional(),
    /** Every fault of a `validation_failed`, up to a hundred. */
    details: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    request_id: z.string(),
  }),
});
export type ErrorResource = z.infer<typeof errorResource>;
