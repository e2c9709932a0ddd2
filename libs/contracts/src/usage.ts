import { z } from 'zod';
import { pageQuery } from './paging.ts';
import { wholeNumber } from './text.ts';

const days = {
  from: z.iso
    .date()
    .optional()
    .meta({ description: 'First day (UTC). Default: 30 days with the last one.', examples: ['2026-01-01'] }),
  to: z.iso
    .date()
    .optional()
    .meta({ description: 'Last day. Default: today.', examples: ['2026-01-31'] }),
};

const inOrder = ({ from, to }: { from?: string | undefined; to?: string | undefined }): boolean =>
  from === undefined || to === undefined || from <= to;
const disorder = { path: ['to'], message: 'lies before from' };

/** Query of `GET /v1/usage`. */
export const usageQuery = z.strictObject(days).refine(inOrder, disorder);

/** Most runs of one page. */
export const runUsageLimit = 1_000;

/** Query of `GET /v1/usage/runs`. */
export const runUsageQuery = z
  .strictObject({
    ...days,
    before: pageQuery.shape.before,
    limit: wholeNumber(1, runUsageLimit)
      .default(100)
      .meta({ description: 'Most runs of the page; as CSV, all come.', examples: [100] }),
  })
  .refine(inOrder, disorder);

const count = z.number();
const limit = z.number().nullable();

const sums = {
  runs: count,
  model_calls: count,
  tool_calls: count,
  prompt_tokens: count.meta({ description: 'Cached ones included.' }),
  cached_tokens: count,
  completion_tokens: count,
  usd: count.meta({ description: 'For people; what adds up is `nano_usd`.' }),
  nano_usd: count.meta({
    description: 'Billionths of a USD, whole: those of the steps add up to their run, of the runs to their day.',
  }),
  fees_nano_usd: count.meta({ description: 'Of these, the fees of tools.' }),
  gpu_seconds: limit.meta({
    description:
      'Of each moment of a reply, the GPUs of its group divided by the replies that shared them; null where no group tells it.',
  }),
  lost_model_calls: count.meta({ description: 'Replies that were lost with a worker and bought again, not charged.' }),
  lost_prompt_tokens: count.meta({ description: 'An estimate of their prompts.' }),
  lost_nano_usd: count.meta({ description: 'What those would have cost.' }),
};

const exampleSums = {
  ...{ runs: 2, model_calls: 31, tool_calls: 54, prompt_tokens: 910_233, cached_tokens: 870_118 },
  ...{ completion_tokens: 22_840, usd: 0.31, nano_usd: 310_000_000, fees_nano_usd: 54_000_000, gpu_seconds: null },
  ...{ lost_model_calls: 1, lost_prompt_tokens: 31_000, lost_nano_usd: 9_300_000 },
};

/** Answer to `GET /v1/usage`. */
export const usageResource = z
  .object({
    days: z
      .array(z.object({ day: z.string(), ...sums }))
      .meta({ description: 'Days with anything on them, the latest first.' }),
    unfinished_runs: count,
    limits: z
      .object({
        requests_per_minute: limit,
        key_requests_per_minute: limit,
        concurrent_runs: limit,
        tokens_per_day: limit,
        usd_per_day: limit,
      })
      .nullable()
      .meta({ description: 'What the tenant may use, null where there is no limit; null as a whole without keys.' }),
  })
  .meta({
    id: 'Usage',
    description: 'What the runs of a tenant have used, and what they may.',
    examples: [
      {
        days: [{ day: '2026-01-31', ...exampleSums }],
        unfinished_runs: 1,
        limits: {
          ...{ requests_per_minute: 6_000, key_requests_per_minute: 3_000, concurrent_runs: 1_000 },
          ...{ tokens_per_day: null, usd_per_day: null },
        },
      },
    ],
  });

export type UsageResource = z.infer<typeof usageResource>;

/** Answer to `GET /v1/usage/runs`. */
export const runUsageList = z
  .object({
    data: z.array(
      z.object({
        run_id: z
          .string()
          .nullable()
          .meta({ description: 'Null: all that were accepted on that day and are gone; they end the last page.' }),
        day: z.string().meta({ description: 'Of its acceptance, UTC.' }),
        model: z.string().nullable(),
        status: z.string().nullable(),
        ...sums,
      }),
    ),
    next: z.string().nullable().meta({ description: '`before` of the next page; null on the last one.' }),
  })
  .meta({
    id: 'RunUsageList',
    description: 'What runs have used, newest first. All pages add up to the days.',
    examples: [
      {
        data: [
          {
            ...{
              run_id: 'run_019c0d2f4a10a1b2c3d4e5f60718293a',
              day: '2026-01-31',
              model: 'writer',
              status: 'completed',
            },
            ...{ ...exampleSums, runs: 1 },
          },
        ],
        next: null,
      },
    ],
  });

/** Columns of a table of usage, after those that name its rows. */
export const usageColumns: readonly string[] = Object.keys(sums);
