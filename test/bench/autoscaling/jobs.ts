import type { Job } from './parts.ts';

/** Between two points at which a run may move to another worker: one turn with a model and tools, at full speed. */
export const turnMs = 45_000;

export function jobOf(acceptedAtMs: number, tenant: number, workMs: number): Job {
  return {
    ...{ acceptedAtMs, tenant, workMs, state: 'coming', doneMs: 0, queuedAtMs: acceptedAtMs, waitedMs: 0 },
    ...{ worker: undefined, group: undefined, turn: 0, beganMs: 0 },
  };
}

/** Jobs that wait for a slot: what had begun first, then that of the tenant with the fewest in slots. */
export class Waiting {
  private readonly begun: Job[] = [];
  private readonly fresh: Job[][];

  constructor(tenants: number) {
    this.fresh = Array.from({ length: tenants }, () => []);
  }

  get count(): number {
    return this.fresh.reduce((sum, jobs) => sum + jobs.length, this.begun.length);
  }

  /** @param again it had a slot before, or came back from a refusal */
  add(job: Job, nowMs: number, again: boolean): void {
    job.state = 'queued';
    job.queuedAtMs = nowMs;
    const line = again ? this.begun : this.fresh[job.tenant];
    line?.push(job);
  }

  /** @param held jobs in slots, by tenant */
  take(held: readonly number[]): Job | undefined {
    const first = this.begun.shift();
    if (first !== undefined) return first;
    const load = (tenant: number): number =>
      (this.fresh[tenant]?.length ?? 0) === 0 ? Number.POSITIVE_INFINITY : (held[tenant] ?? 0);
    const next = this.fresh.reduce((least, _, tenant) => (load(tenant) < load(least) ? tenant : least), 0);
    return this.fresh[next]?.shift();
  }

  /** Since when the one waits that waits longest; `nowMs` when none does. */
  oldestMs(nowMs: number): number {
    const heads = [this.begun, ...this.fresh].map((jobs) => jobs[0]?.queuedAtMs ?? nowMs);
    return Math.min(...heads);
  }
}
