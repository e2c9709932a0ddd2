import { messageOf } from '#errors';
import { type Logger, traceIdOf } from '#platform';
import { type Claim, type FaultyRing, type Runs, Working } from '#runs';
import { drive, type Stop, type Surroundings } from './drive.ts';

export interface AgentWorkerOptions {
  /** Unique among all workers, also those of the past. */
  readonly workerId: string;
  /** Runs driven at the same time; each mostly waits. */
  readonly concurrency: number;
}

/** Claims runs and drives them. */
export class AgentWorker {
  readonly #working: Working;

  private constructor(working: Working) {
    this.#working = working;
  }

  /** @throws Unavailable when the stores cannot be reached */
  static async start(
    around: Surroundings<Runs>,
    { workerId, concurrency }: AgentWorkerOptions,
    logger: Logger,
  ): Promise<AgentWorker> {
    let lives = 0;
    const working = await Working.begin({
      join: async () => {
        lives += 1;
        return await around.runs.join({ workerId: `${workerId}-${lives}`, role: 'agent-worker', slots: concurrency });
      },
      answer: async (member, leaving) => {
        const onFault = (error: unknown, { runId, traceId }: FaultyRing): void => {
          logger.log('error', 'run failed in its worker', { runId, trace_id: traceId, message: messageOf(error) });
        };
        const answering = await around.runs.answerRuns(member, { concurrency, onFault }, async (claim, now) => {
          await driveLogged(claim, around, { soon: leaving, now }, logger);
        });
        return [answering];
      },
      onLost: (reason) => logger.log('error', 'membership lost', { workerId, message: messageOf(reason) }),
    });
    return new AgentWorker(working);
  }

  /**
   * Takes no more runs and hands back those in work, each at its next step boundary, and in the middle of the step when
   * 80 % of `graceMs` are over.
   */
  async stop(graceMs: number): Promise<void> {
    await this.#working.stop(graceMs);
  }
}

async function driveLogged(claim: Claim, around: Surroundings, stop: Stop, logger: Logger): Promise<void> {
  const ids = { runId: claim.runId, epoch: claim.epoch, trace_id: traceIdOf(claim.traceparent) };
  const startedAt = around.now();
  const outcome = await drive(claim, around, stop);
  logger.log('info', 'run driven', { ...ids, outcome, ms: Math.round(around.now() - startedAt) });
}
