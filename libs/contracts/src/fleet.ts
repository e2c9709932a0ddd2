import { z } from 'zod';

const count = z.int().nonnegative();

const exampleDecision = {
  pool: 'agents',
  at: '2026-01-31T12:00:00.000Z',
  target: 4,
  reasons: ['18 runs wait', 'the oldest for 12 s'],
  actions: ['scale to 4'],
  alarms: [],
};

const exampleFleet = {
  at: '2026-01-31T12:00:00.000Z',
  queues: [{ kind: 'runs', waiting: 3, active: 8, oldest_seconds: 4.2 }],
  workers: [
    {
      ...{ id: 'agent-7', role: 'agent-worker', slots: 8, busy: 1, draining: false },
      jobs: [{ run_id: 'run_019c0d2f4a10a1b2c3d4e5f60718293a', tenant_id: 'acme' }],
    },
  ],
  faults: [{ tool: 'visit', class: 'timeout', count: 2 }],
  spending: [{ day: '2026-01-31', tenant_id: 'acme', runs: 12, tokens: 910_233, usd: 0.31 }],
};

/** Answer to `GET /v1/admin/fleet`. */
export const fleetResource = z
  .object({
    at: z.string(),
    queues: z
      .array(z.object({ kind: z.string(), waiting: count, active: count, oldest_seconds: z.number() }))
      .meta({ description: '`runs`, each tool that has calls, and `indexing` of corpora.' }),
    workers: z
      .array(
        z.object({
          id: z.string(),
          role: z.string(),
          slots: count.meta({ description: '0 once it takes nothing more.' }),
          busy: count,
          draining: z.boolean(),
          jobs: z.array(z.object({ run_id: z.string(), tenant_id: z.string() })),
        }),
      )
      .meta({ description: 'Living workers, each with up to 50 of the runs that it works for, the oldest first.' }),
    faults: z
      .array(z.object({ tool: z.string(), class: z.string(), count }))
      .meta({ description: 'Of the last hour, in up to 200 runs that work or have just ended.' }),
    spending: z
      .array(z.object({ day: z.string(), tenant_id: z.string(), runs: count, tokens: count, usd: z.number() }))
      .meta({ description: 'Of the last 14 days, by the UTC day of the accept.' }),
  })
  .meta({ id: 'Fleet', description: 'How the fleet stands, for all tenants.', examples: [exampleFleet] });
export type FleetResource = z.infer<typeof fleetResource>;

const decision = z.object({
  pool: z.string(),
  at: z.string(),
  target: count.nullable().meta({ description: 'Units; null where the decision does not say.' }),
  reasons: z.array(z.string()),
  actions: z.array(z.string()),
  alarms: z.array(z.string()),
});

/** Answer to `GET /v1/admin/scaling`. */
export const scalingResource = z
  .object({
    pools: z.array(decision).meta({ description: 'What was last decided on each pool.' }),
    decisions: z
      .array(decision)
      .meta({ description: 'Those of the last week that changed something or raised an alarm, up to 100.' }),
  })
  .meta({
    id: 'Scaling',
    description: "The autoscaler's decisions, and why. Empty where none runs.",
    examples: [{ pools: [exampleDecision], decisions: [exampleDecision] }],
  });
export type ScalingResource = z.infer<typeof scalingResource>;
