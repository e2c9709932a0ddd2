import { topics } from './bus.ts';
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

/** Removes runs that their tenants keep no longer. @returns how many */
export async function forgetOld(core: Core): Promise<number> {
  let forgotten = 0;
  for (let n = 0; n < mostBatches; n++) {
    const gone = await forgetOldRuns(core.database);
    for (const run of gone) await tell(core, run);
    if (gone.length === 0) break;
    forgotten += gone.length;
  }
  return forgotten;
}

/** Whoever works on it stops, whoever follows it ends, and its place is free. */
async function tell({ bus, tail }: Core, { tenantId, runId }: RunKey): Promise<void> {
  await tail.forget(topics.delta(tenantId, runId));
  bus.publish(topics.flagged(tenantId, runId));
  bus.publish(topics.moved(tenantId, runId));
  bus.publish(topics.backlog);
}
