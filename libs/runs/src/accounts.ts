import { type Explanation, explain } from '#domain';
import { NotFound } from '#errors';
import { countUnfinished, type DayUsage, usageByDay } from './access/usage.ts';
import type { Database } from './store/database.ts';
import { readTimes } from './store/times.ts';

/** What runs took: their time, their tokens, their money. Each look is by a door of its tenant. */
export class Accounts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What a tenant's runs have used, by the UTC day on which they were accepted, and how many have not ended. */
  async usage(tenantId: string, from: string, to: string): Promise<{ days: DayUsage[]; unfinished: number }> {
    const door = this.#database.forTenant(tenantId);
    const [days, unfinished] = [usageByDay(door, tenantId, from, to), countUnfinished(door, tenantId)];
    return { days: await days, unfinished: await unfinished };
  }

  /** Where the time of a run went, also of one under way. @throws NotFound */
  async explain(tenantId: string, runId: string): Promise<Explanation> {
    const times = await readTimes(this.#database.forTenant(tenantId), tenantId, runId);
    if (times === null) throw new NotFound(`There is no run ${runId}.`);
    return explain(times);
  }
}
