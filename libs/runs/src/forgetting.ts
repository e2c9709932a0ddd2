import { topics } from './bus.ts';
import { ObjectSweep } from './objects/loose.ts';
import type { Core } from './ports.ts';
import { forgetOldRuns, forgetRun, type Removal } from './store/forget.ts';
import type { RunKey } from './store/sweep.ts';

/** Statements of one sweep; what remains is for the next. */
const mostBatches = 10;

/** Removes a run; see `Runs.forget`. @returns false where there is none */
export async function forget(core: Core, run: RunKey & Removal): Promise<boolean> {
  if (!(await forgetRun(core.database.forTenant(run.tenantId), run))) return false;
  await tell(core, run);
  return true;
}

/** How often one process looks for runs that are kept no longer, which asks for each tenant. */
const everyMs = 60_000;

/**
 * Removes runs that their tenants keep no longer, and objects that no row names any more, at the pace that this needs,
 * however often it is called.
 */
export class Retention {
  readonly #core: Core;
  readonly #objects: ObjectSweep;
  #dueAt = Number.NEGATIVE_INFINITY;

  constructor(core: Core) {
    this.#core = core;
    this.#objects = new ObjectSweep(core);
  }

  /** @returns how many runs were removed; where more are left, the next call goes on */
  async ifDue(): Promise<number> {
    await this.#objects.ifDue();
    if (performance.now() < this.#dueAt) return 0;
    let forgotten = 0;
    for (let n = 0; n < mostBatches; n++) {
      const gone = await forgetOldRuns(this.#core.database);
      for (const run of gone) await tell(this.#core, run);
      forgotten += gone.length;
      if (gone.length > 0) continue;
      this.#dueAt = performance.now() + everyMs;
      break;
    }
    return forgotten;
  }
}

/** Whoever works on it stops, whoever follows it ends, and its place is free. */
async function tell({ bus, tail }: Core, { tenantId, runId }: RunKey): Promise<void> {
  await tail.forget(topics.delta(tenantId, runId));
  bus.publish(topics.flagged(tenantId, runId));
  bus.publish(topics.moved(tenantId, runId));
  bus.publish(topics.backlog);
}
