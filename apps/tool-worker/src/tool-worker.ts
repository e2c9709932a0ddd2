import { Aborted, InvalidInput, messageOf } from '#errors';
import type { Logger } from '#platform';
import type { Answering, CallClaim, CallResult, Membership, Runs } from '#runs';
import type { Tool } from '#tools';

export interface ToolWorkerOptions {
  readonly workerId: string;
  /** Calls performed at the same time. */
  readonly concurrency: number;
}

/** A call that killed this many workers is not begun again. */
const mostAttempts = 3;

/** Takes tool calls, performs them, and commits their results itself. */
export class ToolWorker {
  readonly #member: Membership;
  readonly #answering: Answering;

  private constructor(member: Membership, answering: Answering) {
    this.#member = member;
    this.#answering = answering;
  }

  static async start(
    runs: Runs,
    tools: readonly Tool[],
    options: ToolWorkerOptions,
    logger: Logger,
  ): Promise<ToolWorker> {
    const byName = new Map(tools.map((tool) => [tool.signature.name, tool]));
    const member = await runs.join(options.workerId, 'tool-worker');
    const answering = await runs.answerCalls(member, options.concurrency, async (claim, signal) => {
      return await perform(claim, byName.get(claim.tool), signal, logger);
    });
    return new ToolWorker(member, answering);
  }

  async stop(): Promise<void> {
    await this.#answering.close({ abortAfterMs: 0 });
    await this.#member.end();
  }
}

/** Every fault becomes an observation that the model can read; only a stop is thrown. */
async function perform(
  claim: CallClaim,
  tool: Tool | undefined,
  stop: AbortSignal,
  logger: Logger,
): Promise<CallResult> {
  const { runId, callId, attempt } = claim;
  if (tool === undefined) return faulted(claim, 'invalid', `There is no tool named ${JSON.stringify(claim.tool)}.`);
  if (tool.sideEffects && attempt > 1) {
    const lost = 'An earlier attempt may have taken effect but its reply was lost; it was not repeated.';
    return { ...faulted(claim, 'transient', lost), state: 'unknown' };
  }
  if (attempt > mostAttempts)
    return faulted(claim, 'transient', `The call was begun ${mostAttempts} times without an end.`);
  const startedAt = performance.now();
  const deadline = AbortSignal.timeout(tool.deadlineMs);
  const context = {
    policy: claim.sources,
    signal: AbortSignal.any([stop, deadline]),
    callId,
    now: new Date().toISOString(),
  };
  try {
    const output = await tool.run(claim.args, context);
    const ms = Math.round(performance.now() - startedAt);
    logger.log('info', 'tool called', { runId, callId, tool: claim.tool, ms });
    return { state: 'done', ...output };
  } catch (error) {
    if (stop.aborted) throw new Aborted(`Tool call ${callId} was stopped.`, { cause: error });
    if (error instanceof InvalidInput) return faulted(claim, 'invalid', error.message);
    if (deadline.aborted)
      return faulted(claim, 'transient', `${claim.tool} gave no result within ${tool.deadlineMs} ms.`);
    logger.log('error', 'tool failed', { runId, callId, tool: claim.tool, message: messageOf(error) });
    return faulted(claim, 'transient', `${claim.tool} failed inside; the operator's log has the reason.`);
  }
}

function faulted(claim: CallClaim, kind: 'invalid' | 'transient', message: string): CallResult {
  const section = { label: claim.tool, passages: [], fault: { kind, message } };
  return { state: 'done', observation: { sections: [section], sources: [] }, snapshots: new Map() };
}
