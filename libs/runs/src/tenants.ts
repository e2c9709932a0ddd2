import { z } from 'zod';
import { parseInput } from '#contracts';
import { InvalidState, NotFound } from '#errors';
import type { Database } from './store/database.ts';
import { addTenant, changeTenant, findTenant, type TenantRow } from './store/tenants.ts';

const count = z.int().min(0).max(1_000_000_000_000).nullable().default(null);

/** What a tenant may have of its own; null is as the deployment has it. */
const limits = z.strictObject({
  /** Runs that have not ended, at the same time. */
  concurrent_runs: count,
  requests_per_minute: count,
  /** Of all model calls, by the UTC day. */
  tokens_per_day: count,
  usd_per_day: z.number().min(0).max(1_000_000_000).nullable().default(null),
});

const settings = z.strictObject({
  /** Ended runs are removed after so many days; null: never. */
  retention_days: z.int().min(1).max(36_500).nullable().default(null),
  /** Search providers that its runs may ask, of those that the deployment has; null: all of these. */
  providers: z.array(z.string().min(1).max(40)).max(50).nullable().default(null),
  limits: limits.default(limits.parse({})),
  /** Whether traces of its runs hold what its models are asked and answer, word for word. */
  trace_content: z.boolean().default(false),
});

/** How a tenant differs from the deployment. */
export type TenantSettings = z.output<typeof settings>;
/** The same, as somebody sets it: what is left out is as it was. */
export type SettingChanges = Partial<Omit<z.input<typeof settings>, 'limits'>> & {
  readonly limits?: Partial<z.input<typeof limits>>;
};

/** Begins with a letter or digit, because ids stand in addresses and file names. */
const tenantId = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,62}$/,
    'is no id: up to 63 lower-case letters, digits, - and _, a letter or digit first',
  );

const newTenant = z.strictObject({ tenantId, name: z.string().min(1).max(200) });

/** An organisation whose runs, corpora and keys are kept apart from all others'. */
export interface Tenant {
  readonly tenantId: string;
  readonly name: string;
  readonly settings: TenantSettings;
  readonly createdAt: string;
}

/** How long a process goes by the settings that it has read. */
const freshMs = 5_000;

/** Tenants whose settings a process remembers. */
const mostKnown = 1_000;

interface Known {
  readonly settings: Promise<TenantSettings>;
  readonly since: number;
}

/** Who is served. Runs of a tenant that was never created are as those of one with no settings of its own. */
export class Tenants {
  readonly #database: Database;
  readonly #nowMs: () => number;
  readonly #known = new Map<string, Known>();

  constructor(database: Database, nowMs: () => number = () => performance.now()) {
    this.#database = database;
    this.#nowMs = nowMs;
  }

  /** As the owner of the tables, as all that changes a tenant: for operators. @throws InvalidInput; InvalidState when there is one of that id */
  async create(
    tenant: { readonly tenantId: string; readonly name: string },
    changes: SettingChanges = {},
  ): Promise<Tenant> {
    const { tenantId, name } = parseInput(newTenant, tenant);
    const row = await addTenant(this.#database, tenantId, name, parseInput(settings, changes));
    if (row === null) throw new InvalidState(`There is a tenant ${tenantId} already.`);
    return toTenant(row);
  }

  /** @throws NotFound */
  async get(tenantId: string): Promise<Tenant> {
    const row = await findTenant(this.#database.forTenant(tenantId), tenantId);
    if (row === null) throw noSuchTenant(tenantId);
    return toTenant(row);
  }

  /** Known in every process within 5 seconds. @throws NotFound, InvalidInput */
  async update(tenantId: string, changes: SettingChanges): Promise<Tenant> {
    const before = (await this.get(tenantId)).settings;
    const after = parseInput(settings, { ...before, ...changes, limits: { ...before.limits, ...changes.limits } });
    const row = await changeTenant(this.#database, tenantId, after);
    if (row === null) throw noSuchTenant(tenantId);
    this.#known.delete(tenantId);
    return toTenant(row);
  }

  /** What its requests go by, at most 5 seconds old; the deployment's own where there is no such tenant. */
  async settings(tenantId: string): Promise<TenantSettings> {
    const known = this.#known.get(tenantId);
    if (known !== undefined && this.#nowMs() - known.since < freshMs) return await known.settings;
    const reading = this.#read(tenantId);
    this.#known.delete(tenantId);
    this.#known.set(tenantId, { settings: reading, since: this.#nowMs() });
    const [oldest] = this.#known.keys();
    if (this.#known.size > mostKnown && oldest !== undefined) this.#known.delete(oldest);
    // A fault is told to those who wait for it, and not remembered.
    reading.catch(() => this.#known.delete(tenantId));
    return await reading;
  }

  async #read(tenantId: string): Promise<TenantSettings> {
    const row = await findTenant(this.#database.forTenant(tenantId), tenantId);
    return readSettings(row?.settings ?? {});
  }
}

/** Settings of a later release that this one does not know are left out. */
function readSettings(stored: unknown): TenantSettings {
  return settings
    .strip()
    .extend({ limits: limits.strip().default(limits.parse({})) })
    .parse(stored);
}

function toTenant({ settings: stored, ...row }: TenantRow): Tenant {
  return { ...row, settings: readSettings(stored) };
}

function noSuchTenant(tenantId: string): NotFound {
  return new NotFound(`There is no tenant ${tenantId}.`);
}
