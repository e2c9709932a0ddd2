import { z } from 'zod';
import { type ToolKind, toolKinds } from '#domain';
import { InvalidInput } from '#errors';
import type { ScaledRole } from '#runs';
import type { Budgets, PoolPolicy } from './core/state.ts';

/** A pool as the file of pools names it. */
export interface PoolSetting {
  readonly policy: PoolPolicy;
  readonly role: ScaledRole;
  readonly deployment: string;
  /** Of tool workers: the calls that they take; absent: all. */
  readonly kinds?: readonly ToolKind[];
}

export interface ScaleSettings {
  readonly pools: readonly PoolSetting[];
  readonly budgets: Budgets;
}

const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not a name like agents-1');
const count = z.number().int().min(0).max(100_000);
const seconds = (least: number) => z.number().min(least).max(604_800);

const pool = z
  .strictObject({
    name,
    deployment: name,
    role: z.enum(['agent-worker', 'tool-worker']),
    min: count.default(1),
    max: count,
    /** As the workers are configured: ARGOSY_TOOLS. */
    kinds: z.array(z.enum(toolKinds)).min(1).optional(),
    /** As the workers are configured: ARGOSY_AGENT_CONCURRENCY or ARGOSY_TOOL_CONCURRENCY. */
    slots: z.number().int().min(1).max(10_000),
    fill: z.number().gt(0).max(1).default(0.9),
    foresight: z.number().min(0).max(1).default(0.5),
    windowSeconds: seconds(0).default(300),
    deadBand: z.number().min(0).max(0.5).default(0.1),
    waitLimitSeconds: seconds(1).default(120),
    coldStartSeconds: seconds(0).default(60),
    drainLimitSeconds: seconds(0).default(600),
    gpusPerUnit: count.default(0),
    costPerUnitHour: z.number().min(0).max(1e6).default(0),
    weight: z.number().gt(0).max(1e6).default(1),
    tenant: z.string().min(1).optional(),
  })
  .refine(({ min, max }) => min <= max, 'min is above max')
  .refine(({ role, kinds }) => role === 'tool-worker' || kinds === undefined, 'only pools of tool workers have kinds');

const file = z.strictObject({
  pools: z
    .array(pool)
    .min(1)
    .max(500)
    .refine((pools) => distinct(pools.map((one) => one.name)), 'two pools have one name')
    .refine((pools) => distinct(pools.map((one) => one.deployment)), 'two pools scale one Deployment')
    .refine((pools) => distinct(pools.flatMap(worksOf)), 'two pools share the work of one role, or of one kind'),
  budgets: z
    .strictObject({
      gpus: count.default(0),
      gpusByTenant: z.record(z.string(), count).default({}),
      moneyPerDay: z.number().min(0).max(1e9).default(0),
    })
    .default({ gpus: 0, gpusByTenant: {}, moneyPerDay: 0 }),
});

/** What no other pool may scale by. */
function worksOf({ role, kinds }: z.infer<typeof pool>): readonly string[] {
  return role === 'agent-worker' ? [role] : (kinds ?? toolKinds);
}

function distinct(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

/** Reads the file of pools. @throws InvalidInput listing every fault of it */
export function parsePools(text: string): ScaleSettings {
  const fault = (path: string, message: string): InvalidInput =>
    new InvalidInput([{ path: path === '' ? 'ARGOSY_POOLS_FILE' : `ARGOSY_POOLS_FILE: ${path}`, message }]);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw fault('', 'is not JSON');
  }
  const { data, error } = file.safeParse(json);
  if (error !== undefined)
    throw new InvalidInput(
      error.issues.map(({ path, message }) => ({ path: `ARGOSY_POOLS_FILE: ${path.join('.')}`, message })),
    );
  return { pools: data.pools.map(settingOf), budgets: data.budgets };
}

function settingOf(given: z.infer<typeof pool>): PoolSetting {
  const {
    deployment,
    role,
    kinds,
    windowSeconds,
    waitLimitSeconds,
    coldStartSeconds,
    drainLimitSeconds,
    tenant,
    ...rest
  } = given;
  const policy: PoolPolicy = {
    ...rest,
    windowMs: windowSeconds * 1_000,
    waitLimitMs: waitLimitSeconds * 1_000,
    coldStartMs: coldStartSeconds * 1_000,
    drainLimitMs: drainLimitSeconds * 1_000,
    victims: 'any',
    ...(tenant === undefined ? {} : { tenant }),
  };
  return { policy, role, deployment, ...(kinds === undefined ? {} : { kinds }) };
}
