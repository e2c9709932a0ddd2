import { z } from 'zod';
import { type ToolKind, toolKinds } from '#domain';
import { InvalidInput } from '#errors';
import type { ScaledRole } from '#runs';
import type { Budgets, PoolPolicy } from './core/state.ts';

/** A pool of workers as the file of pools names it. */
export interface WorkerPoolSetting {
  readonly policy: PoolPolicy;
  readonly role: ScaledRole;
  readonly deployment: string;
  /** Of tool workers: the calls that they take; absent: all. */
  readonly kinds?: readonly ToolKind[];
}

/** A pool of inference groups: each an object of its own, with `size` pods or none. */
export interface GroupPoolSetting {
  readonly policy: PoolPolicy;
  readonly role: 'inference';
  readonly kind: 'StatefulSet' | 'Deployment';
  readonly size: number;
  readonly groups: readonly { readonly name: string; readonly address: string }[];
  /** For so long a group that drains waits for its sessions to go by themselves, and then for its replies alone. */
  readonly drainLimitMs: number;
  /** More runs are never in work at a time, as far as the other pools say. */
  readonly mostRuns: number;
}

export type PoolSetting = WorkerPoolSetting | GroupPoolSetting;

export interface ScaleSettings {
  readonly pools: readonly PoolSetting[];
  readonly budgets: Budgets;
}

const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not a name like agents-1');
const count = z.number().int().min(0).max(100_000);
const seconds = (least: number) => z.number().min(least).max(604_800);

/**
 * Where runs come and go one by one, what is expected of them leaves room, and no slot is kept free besides; agent workers
 * hand over between steps and need no long goodbye. Calls of tools come in crowds of which nothing is known.
 */
const usual = {
  'agent-worker': { fill: 1, foresight: 1, drainLimitSeconds: 60 },
  'tool-worker': { fill: 0.9, foresight: 0.5, drainLimitSeconds: 600 },
  inference: { fill: 1, foresight: 1, drainLimitSeconds: 600 },
};

const limits = {
  name,
  slots: z.number().int().min(1).max(10_000),
  fill: z.number().gt(0).max(1).optional(),
  foresight: z.number().min(0).max(1).optional(),
  windowSeconds: seconds(0).default(300),
  deadBand: z.number().min(0).max(0.5).default(0.1),
  waitLimitSeconds: seconds(1).default(120),
  drainLimitSeconds: seconds(0).optional(),
  gpusPerUnit: count.default(0),
  costPerUnitHour: z.number().min(0).max(1e6).default(0),
  weight: z.number().gt(0).max(1e6).default(1),
  tenant: z.string().min(1).optional(),
};

/** `slots` as the workers are configured: ARGOSY_AGENT_CONCURRENCY or ARGOSY_TOOL_CONCURRENCY. */
const workers = z
  .strictObject({
    ...limits,
    deployment: name,
    role: z.enum(['agent-worker', 'tool-worker']),
    min: count.default(1),
    max: count,
    /** As the workers are configured: ARGOSY_TOOLS. */
    kinds: z.array(z.enum(toolKinds)).min(1).optional(),
    coldStartSeconds: seconds(0).default(60),
  })
  .refine(({ min, max }) => min <= max, 'min is above max')
  .refine(({ role, kinds }) => role === 'tool-worker' || kinds === undefined, 'only pools of tool workers have kinds');

const address = z.string().regex(/^(unix:\/.+|[a-z0-9.-]+:\d{1,5}|\[[0-9a-f:]+\]:\d{1,5})$/, 'is not host:port');

/** `slots`: sessions that one group serves at a time. */
const groups = z
  .strictObject({
    ...limits,
    role: z.literal('inference'),
    kind: z.enum(['StatefulSet', 'Deployment']).default('StatefulSet'),
    size: z.number().int().min(1).max(1_000),
    groups: z.array(z.strictObject({ name, address })).min(1).max(200),
    min: count.default(1),
    max: count.optional(),
    coldStartSeconds: seconds(0).default(300),
  })
  .refine(({ min, max, groups }) => min <= Math.min(max ?? groups.length, groups.length), 'min is above max')
  .refine(({ max = 0, groups }) => max <= groups.length, 'max is above the number of groups');

const pool = z.discriminatedUnion('role', [workers, groups]);

const file = z.strictObject({
  pools: z
    .array(pool)
    .min(1)
    .max(500)
    .refine((pools) => distinct(pools.map((one) => one.name)), 'two pools have one name')
    .refine((pools) => distinct(pools.flatMap(targetsOf)), 'two pools scale one Deployment or StatefulSet')
    .refine((pools) => distinct(pools.flatMap(addressesOf)), 'two groups have one address')
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
function worksOf(one: z.infer<typeof pool>): readonly string[] {
  return one.role === 'tool-worker' ? (one.kinds ?? toolKinds) : [one.role];
}

function targetsOf(one: z.infer<typeof pool>): string[] {
  return one.role === 'inference'
    ? one.groups.map((group) => `${one.kind} ${group.name}`)
    : [`Deployment ${one.deployment}`];
}

function addressesOf(one: z.infer<typeof pool>): string[] {
  return one.role === 'inference' ? one.groups.map((group) => group.address) : [];
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
  const agents = data.pools.find(({ role }) => role === 'agent-worker');
  const mostRuns = agents === undefined ? Number.POSITIVE_INFINITY : agents.slots * (agents.max ?? 0);
  return { pools: data.pools.map((one) => settingOf(one, mostRuns)), budgets: data.budgets };
}

function settingOf(given: z.infer<typeof pool>, mostRuns: number): PoolSetting {
  const drainLimitMs = (given.drainLimitSeconds ?? usual[given.role].drainLimitSeconds) * 1_000;
  if (given.role === 'inference') {
    const { kind, size, groups: members } = given;
    // Nothing is ended with a reply in it, and each group goes for itself.
    const more = {
      max: given.max ?? members.length,
      drainLimitMs: Number.POSITIVE_INFINITY,
      victims: 'named',
    } as const;
    const policy = { ...policyOf(given), ...more };
    return { policy, role: given.role, kind, size, groups: members, drainLimitMs, mostRuns };
  }
  const { role, deployment, kinds, max } = given;
  const policy = { ...policyOf(given), max, drainLimitMs, victims: 'any' } as const;
  return { policy, role, deployment, ...(kinds === undefined ? {} : { kinds }) };
}

function policyOf(given: z.infer<typeof pool>): Omit<PoolPolicy, 'max' | 'drainLimitMs' | 'victims'> {
  const { name: named, min, slots, deadBand, gpusPerUnit, costPerUnitHour, weight, tenant } = given;
  const { fill = usual[given.role].fill, foresight = usual[given.role].foresight } = given;
  return {
    ...{ name: named, min, slots, fill, foresight, deadBand, gpusPerUnit, costPerUnitHour, weight },
    windowMs: given.windowSeconds * 1_000,
    waitLimitMs: given.waitLimitSeconds * 1_000,
    coldStartMs: given.coldStartSeconds * 1_000,
    ...(tenant === undefined ? {} : { tenant }),
  };
}
