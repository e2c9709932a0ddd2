import { messageOf } from '#errors';
import type { Logger } from '#platform';
import type { Answering, Claim, Membership } from '#runs';
import { drive, type Surroundings } from './drive.ts';

export interface AgentWorkerOptions {
  readonly workerId: string;
  /** Runs driven at the same time; each mostly waits. */
  readonly concurrency: number;
}

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
    const answering = await around.runs.answerRuns(member, options.concurrency, async (claim, signal) => {
      await driveLogged(claim, around, signal, logger);
    });
    return new AgentWorker(member, answering);
  }

  /** Takes no more runs, hands back those in work at once, and leaves. */
  async stop(): Promise<void> {
    await this.#answering.close({ abortAfterMs: 0 });
    await this.#member.end();
  }
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
