import { z } from 'zod';

const count = z.int().nonnegative();
const unknown = count.nullable();
const address = z.string().max(300);

const exampleGroup = {
  address: 'argosy-group-0:50051',
  fault: null,
  serves: { model: 'tongyi', engine: 'argosy-ep', engine_version: '0.1.0', context_tokens: 131_072, shards: 4 },
  load: {
    ...{ running: 6, waiting: 1, resident_sessions: 14, draining: false, prefill_backlog_tokens: 3_100 },
    ...{ kv_used_tokens: 412_300, kv_total_tokens: 782_630, reserved_tokens: 660_000 },
    ...{ prompt_tokens: 91_402_117, cached_tokens: 88_660_000, balancedness: 0.97, plan_epoch: 12 },
  },
};

/** Answer to `GET /v1/admin/inference`. */
export const inferenceResource = z
  .object({
    at: z.string().meta({ description: 'When the groups were asked: nothing here is older.' }),
    groups: z
      .array(
        z.object({
          address,
          fault: z
            .string()
            .nullable()
            .meta({ description: 'Why the group could not be asked; null when it answered.' }),
          serves: z
            .object({
              model: z.string(),
              engine: z.string(),
              engine_version: z.string(),
              context_tokens: count,
              shards: count.meta({ description: 'That share its experts; 1 for none, 0 where that is not known.' }),
            })
            .nullable()
            .meta({ description: 'Null where there is a fault.' }),
          load: z
            .object({
              running: unknown.meta({ description: 'Replies in the batch.' }),
              waiting: unknown.meta({ description: 'Requests that wait for a place in it.' }),
              resident_sessions: unknown.meta({ description: 'Sessions whose keys and values are held.' }),
              draining: z.boolean(),
              prefill_backlog_tokens: unknown.meta({ description: 'Of prompts, not yet computed.' }),
              kv_used_tokens: unknown,
              kv_total_tokens: unknown,
              reserved_tokens: unknown.meta({ description: 'For the sessions that were admitted.' }),
              prompt_tokens: unknown.meta({ description: 'Of all prompts since the engine started.' }),
              cached_tokens: unknown.meta({ description: 'Of these, found computed.' }),
              balancedness: z
                .number()
                .nullable()
                .meta({ description: 'How evenly the shards were loaded of late, to 1.' }),
              plan_epoch: unknown.meta({ description: 'Placements of the experts so far.' }),
            })
            .nullable()
            .meta({ description: 'Null where there is a fault. What an engine does not know is null, and never 0.' }),
        }),
      )
      .meta({ description: 'Those that the configuration names, in its order.' }),
  })
  .meta({
    id: 'InferenceGroups',
    description: 'How the inference groups stand. Empty where the model is served by none.',
    examples: [{ at: '2026-01-31T12:00:00.000Z', groups: [exampleGroup] }],
  });
export type InferenceResource = z.infer<typeof inferenceResource>;

/** The query of `GET /v1/admin/inference/experts`. */
export const expertsQuery = z.strictObject({
  group: address.min(1).meta({ description: 'The address of a group.', examples: [exampleGroup.address] }),
});

/** Answer to `GET /v1/admin/inference/experts`. */
export const expertsResource = z
  .object({
    at: z.string(),
    group: address,
    plan_epoch: count,
    layers: z
      .array(
        z.object({
          layer: count.meta({ description: 'Its number in the model.' }),
          load: z.array(z.number()).meta({ description: 'By expert: tokens of a step, mean of the last ones.' }),
          holders: z.array(z.array(count)).meta({
            description: 'By expert: positions in `shards` of those that hold it; more than one are replicas.',
          }),
        }),
      )
      .meta({ description: 'Those that have experts. Empty where no shards share them.' }),
    shards: z.array(
      z.object({
        name: z.string(),
        open: z.boolean().meta({ description: 'It can be used.' }),
        answered_tokens: count.meta({ description: 'Since the coordinator started, each once for every expert.' }),
      }),
    ),
  })
  .meta({
    id: 'InferenceExperts',
    description: 'Where the experts of a group are, and what each had to do of late.',
    examples: [
      {
        ...{ at: '2026-01-31T12:00:00.000Z', group: exampleGroup.address, plan_epoch: 12 },
        layers: [{ layer: 0, load: [3.1, 0.4], holders: [[0, 1], [1]] }],
        shards: [
          { name: 'argosy-group-0-1:50052', open: true, answered_tokens: 40_112 },
          { name: 'argosy-group-0-2:50052', open: true, answered_tokens: 39_870 },
        ],
      },
    ],
  });
export type ExpertsResource = z.infer<typeof expertsResource>;
