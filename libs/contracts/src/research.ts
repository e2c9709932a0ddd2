import { z } from 'zod';
import { outputSchemaFault } from './output-schema.ts';
import { reportSchema } from './report.ts';
import { runStatus } from './run-status.ts';
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
      .optional()
      .meta({ description: 'Uploaded documents to search.' }),
    urls: z.array(webUrl).max(50).optional().meta({ description: 'Pages to read: absolute http or https addresses.' }),
    web: z.boolean().optional().meta({
      description:
        'Whether the web may be searched. Default: where there is nothing else to read, or where `providers` are named.',
    }),
    providers: z
      .array(z.string().min(1).max(64))
      .max(32)
      .optional()
      .meta({ description: 'Search providers to ask, of those that this deployment lets runs ask. Default: all.' }),
    allow_domains: z.array(host).max(200).optional().meta({ description: 'Only pages of these hosts and below.' }),
    deny_domains: z.array(host).max(200).optional().meta({ description: 'No pages of these hosts and below.' }),
    published_after: day.optional().meta({ description: 'Leaves out what a search names before this day.' }),
    published_before: day.optional().meta({ description: 'Leaves out what a search names after this day.' }),
  })
  .refine(({ web, providers = [] }) => web !== false || providers.length === 0, {
    path: ['providers'],
    message: 'there are providers to ask, and web is false: leave out one of the two',
  })
  .refine(({ published_after = '', published_before = '9' }) => published_after <= published_before, {
    path: ['published_before'],
    message: 'lies before published_after',
  })
  .meta({ description: 'Where the run may look.' });

function refuseUnusable(schema: Record<string, unknown>, context: z.core.$RefinementCtx): void {
  const message = outputSchemaFault(schema);
  if (message !== null) context.addIssue({ code: 'custom', message });
}

const budget = z
  .strictObject({
    steps: z.int().min(1).max(10_000).optional().meta({ description: 'Model calls. Default 100.' }),
    tokens: z.int().min(1).optional().meta({ description: 'Prompt and completion tokens of all model calls.' }),
    seconds: z.number().positive().max(86_400).optional().meta({ description: 'Time from the start of the run.' }),
    usd: z.number().positive().optional().meta({ description: 'Money; only for models whose prices are configured.' }),
    output_tokens: z.int().min(16).optional().meta({ description: 'Completion tokens of all model calls.' }),
    tool_calls: z.int().min(1).max(100_000).optional().meta({ description: 'Calls of tools.' }),
  })
  .meta({ description: 'What the run may spend. At a limit it answers with what it has, and ends `incomplete`.' });

/** Body of `POST /v1/research`. */
export const researchBody = z
  .strictObject({
    question: storableText
      .trim()
      .min(1, 'the question is empty: write what you want to know')
      .max(maxQuestionChars, `the question is longer than ${maxQuestionChars} characters: put background into a corpus`)
      .meta({ description: 'What you want to know.' }),
    mode: z.enum(['react']).optional().meta({ description: 'How the run goes about it.' }),
    model: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: 'A model that this deployment offers; nothing else is used instead.' }),
    budget: budget.optional(),
    deadline: z.iso
      .datetime({ offset: true, error: 'an instant with its offset, such as 2026-01-31T12:00:00Z' })
      .optional()
      .meta({
        description:
          'When the run is to have ended, at most seven days ahead: it answers before with what it has, and ends `incomplete`. One that still waits then ends when its turn comes, without research.',
        examples: ['2026-01-31T12:00:00Z'],
      }),
    sources: sources.optional(),
    citations: z
      .enum(['mark', 'strict'])
      .optional()
      .meta({ description: '`mark` (the default): claims that nothing proves say so. `strict`: they are taken out.' }),
    output_schema: z
      .record(z.string(), z.unknown())
      .superRefine(refuseUnusable)
      .optional()
      .meta({ description: 'JSON Schema (2020-12) of an object that the report shall have as `output`.' }),
    metadata: z
      .record(storableText.max(64), storableText.max(512))
      .optional()
      .meta({ description: 'Your own notes, given back with the run.' }),
  })
  .meta({
    id: 'ResearchRequest',
    description: 'A question, and how it is to be worked on.',
    examples: [
      {
        question: 'Why do leases end?',
        budget: { steps: 20, seconds: 600 },
        sources: { corpora: ['c_0123456789abcdef'] },
        metadata: { ticket: '7' },
      },
    ],
  });
export type ResearchBody = z.infer<typeof researchBody>;

/** Header of requests that make something: tells one sent again from a new one. */
export const idempotencyKey = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .meta({
    description: 'Sent again with the same body, the request is answered with the first run. Another body is refused.',
    examples: ['order-4711'],
  });

const exampleRun = {
  id: 'run_019c0d2f4a10a1b2c3d4e5f60718293a',
  status: 'running',
  question: 'Why do leases end?',
  model: 'writer',
  created_at: '2026-01-31T12:00:00.000Z',
  started_at: '2026-01-31T12:00:00.040Z',
  ended_at: null,
  queue_position: null,
  metadata: { ticket: '7' },
  budget: { steps: 20, seconds: 600 },
  corpora: ['c_0123456789abcdef'],
  report: null,
};

/** A run as `GET /v1/research/{id}` shows it; lists leave the report out. */
export const runResource = z
  .object({
    id: z.string(),
    status: runStatus.meta({ description: 'The last four are terminal.' }),
    question: z.string(),
    model: z.string(),
    created_at: z.string(),
    started_at: z.string().nullable(),
    ended_at: z.string().nullable(),
    queue_position: z.int().nullable().meta({
      description: 'Runs of the same tenant before it that wait, counted to 1,000; null once it has started.',
    }),
    metadata: z.record(z.string(), z.string()),
    budget: budget.meta({ description: 'What it may spend; of a kind that is absent, as much as it takes.' }),
    corpora: z.array(z.string()).meta({ description: 'Ids of the corpora that it may search.' }),
    report: reportSchema.nullable(),
  })
  .meta({ id: 'Run', description: 'A run, with its report when it has one.', examples: [exampleRun] });
export type RunResource = z.infer<typeof runResource>;

/** A page of runs. */
export const runList = z
  .object({
    data: z.array(runResource),
    next: z.string().nullable().meta({ description: '`before` of the next page; null on the last one.' }),
  })
  .meta({
    id: 'RunList',
    description: 'Runs without their reports, newest first.',
    examples: [{ data: [exampleRun], next: null }],
  });
export type RunList = z.infer<typeof runList>;

/** Answer to `POST /v1/research`. */
export const acceptedResource = z
  .object({
    id: z.string(),
    status: runResource.shape.status,
    queue_position: z
      .int()
      .nullable()
      .meta({ description: 'Runs of the same tenant before it that wait, counted to 1,000.' }),
  })
  .meta({
    id: 'Accepted',
    description: 'The run is written down and will be worked on.',
    examples: [{ id: exampleRun.id, status: 'queued', queue_position: 3 }],
  });
export type AcceptedResource = z.infer<typeof acceptedResource>;
