import { z } from 'zod';

/** Query of `GET /v1/usage`. */
export const usageQuery = z
  .strictObject({
    from: z.iso
      .date()
      .optional()
      .meta({ description: 'First day (UTC). Default: 30 days with the last one.', examples: ['2026-01-01'] }),
    to: z.iso
      .date()
      .optional()
      .meta({ description: 'Last day. Default: today.', examples: ['2026-01-31'] }),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    path: ['to'],
    message: 'lies before from',
  });

const count = z.number();
const limit = z.number().nullable();

/** Answer to `GET /v1/usage`. */
export const usageResource = z
  .object({
    days: z
      .array(
        z.object({
          day: z.string(),
          runs: count,
          model_calls: count,
          tool_calls: count,
          prompt_tokens: count.meta({ description: 'Cached ones included.' }),
          cached_tokens: count,
          completion_tokens: count,
          usd: count,
        }),
      )
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
        days: [
          {
            ...{ day: '2026-01-31', runs: 2, model_calls: 31, tool_calls: 54 },
            ...{ prompt_tokens: 910_233, cached_tokens: 870_118, completion_tokens: 22_840, usd: 0.31 },
          },
        ],
        unfinished_runs: 1,
        limits: {
          ...{ requests_per_minute: 6_000, key_requests_per_minute: 3_000, concurrent_runs: 1_000 },
          ...{ tokens_per_day: null, usd_per_day: null },
        },
      },
    ],
  });
export type UsageResource = z.infer<typeof usageResource>;
