import { LocalBus } from '../bus.ts';
import { migrateOnce } from '../fleet/open.ts';
import { PgDatabase } from '../fleet/pg-database.ts';
import { Scaling } from '../scaling/scaling.ts';
import { Tenants } from '../tenants.ts';
import { ApiKeys, type KeySettings } from './api-keys.ts';
import { type AuditHead, verifyAudit } from './audit.ts';
import { type TenantUsage, usageOfAll } from './usage.ts';

/** What somebody may do who has the database itself: no key is asked for. */
export interface Operator {
  /** Gateways hear of a revoked key within five seconds. */
  keys(settings: KeySettings): ApiKeys;
  /** Gateways and workers hear of a change within five seconds. */
  readonly tenants: Tenants;
  /** What an autoscaler decided, and why. */
  readonly scaling: Scaling;
  /** What the runs of all tenants have used, by tenant and UTC day; both days included. */
  usage(from: string, to: string): Promise<TenantUsage[]>;
  /** See {@link verifyAudit}. @throws AuditBroken */
  verifyAudit(tenantId: string, known?: string): Promise<AuditHead>;
  close(): Promise<void>;
}

/**
 * Opens a fleet's database as its owner, bringing its schema up to date.
 * @throws Unavailable, PostgresTooOld, SchemaTooNew
 */
export async function openOperator(databaseUrl: string): Promise<Operator> {
  const database = await PgDatabase.open(databaseUrl);
  try {
    await migrateOnce(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  const opened: ApiKeys[] = [];
  return {
    keys: (settings) => {
      const keys = new ApiKeys(database, new LocalBus(), settings);
      opened.push(keys);
      return keys;
    },
    tenants: new Tenants(database),
    scaling: new Scaling(database),
    usage: async (from, to) => await usageOfAll(database, from, to),
    verifyAudit: async (tenantId, known) => await verifyAudit(database, tenantId, known),
    close: async () => {
      for (const keys of opened) await keys.close();
      await database.close();
    },
  };
}
