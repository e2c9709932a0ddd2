import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#errors';
import type { Logger } from '#platform';
import type { Answering, Claim, Membership } from '#runs';
import { drive, type Surroundings } from './drive.ts';

export interface AgentWorkerOptions {
  readonly workerId: string;
  /** Runs driven at the same time; each mostly waits. */
  readonly concurrency: number;
}

/** Wait before a run that failed in its worker is handed back: doubles with each failure in a row. */
const firstPauseMs = 500;
const longestPauseMs = 10_000;

/** Claims runs and drives them. */
export class AgentWorker {
  readonly #member: Membership;
  readonly #answering: Answering;

  private constructor(member: Membership, answering: Answering) {
    this.#member = member;
    this.#answering = answering;
  }

  static async start(around: Surroundings, options: AgentWorkerOptions, logger: Logger): Promise<AgentWorker> {
    const member = await around.runs.join(options.workerId, 'agent-worker');
    const failures = new Map<string, number>();
    const answering = await around.runs.answerRuns(member, options.concurrency, async (claim, signal) => {
      try {
        await driveLogged(claim, around, signal, logger);
        failures.delete(claim.runId);
      } catch (error) {
        const failed = (failures.get(claim.runId) ?? 0) + 1;
        failures.set(claim.runId, failed);
        await pause(failed, signal);
        throw error;
      }
    });
    return new AgentWorker(member, answering);
  }

  /** Takes no more runs, hands back those in work at once, and leaves. */
  async stop(): Promise<void> {
    await this.#answering.close({ abortAfterMs: 0 });
    await this.#member.end();
  }
}

/** A run that is handed back is claimed again at once: what lasts, such as a full disk, must not be tried in a hot loop. */
async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const ms = Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs);
  // The only way to end the wait early is the signal, and then there is nothing to wait for.
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

async function driveLogged(claim: Claim, around: Surroundings, signal: AbortSignal, logger: Logger): Promise<void> {
  const { runId, epoch } = claim;
  const startedAt = around.now();
  try {
    await drive(claim, around, signal);
    logger.log('info', 'run driven', { runId, epoch, ms: Math.round(around.now() - startedAt) });
  } catch (error) {
    logger.log('error', 'run failed in its worker', { runId, epoch, message: messageOf(error) });
    throw error;
  }
}
