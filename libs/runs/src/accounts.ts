import { type Explanation, explain } from '#domain';
import { NotFound } from '#errors';
import {
  countUnfinished,
  type DayUsage,
  type RunUsage,
  type RunUsagePage,
  usageByDay,
  usageByRun,
  usageOfGone,
} from './access/usage.ts';
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

  /**
   * The same run by run, newest first. The last page ends with what runs that are gone had used, day by day: so all pages
   * add up to the days. @returns `next`: the `before` of the next page; null on the last one
   */
  async usageOfRuns(tenantId: string, page: RunUsagePage): Promise<{ rows: RunUsage[]; next: string | null }> {
    const door = this.#database.forTenant(tenantId);
    const rows = await usageByRun(door, tenantId, page);
    const next = rows.length < page.limit ? null : (rows.at(-1)?.run_id ?? null);
    if (next !== null) return { rows, next };
    return { rows: [...rows, ...(await usageOfGone(door, tenantId, page.from, page.to))], next };
  }

  /** Where the time of a run went, also of one under way. @throws NotFound */
  async explain(tenantId: string, runId: string): Promise<Explanation> {
    const times = await readTimes(this.#database.forTenant(tenantId), tenantId, runId);
    if (times === null) throw new NotFound(`There is no run ${runId}.`);
    return explain(times);
  }
}
