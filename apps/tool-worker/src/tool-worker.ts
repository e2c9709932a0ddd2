import type { ToolKind } from '#domain';
import { Aborted, InvalidInput, messageOf } from '#errors';
import { inSpan, type Logger, spanKeys, traceIdOf } from '#platform';
import { type CallClaim, type CallResult, type FaultyRing, type HandedOver, type Runs, Working } from '#runs';
import { type Corpora, ForOthers, type Tool, type ToolContext } from '#tools';
import { answerCorpora } from './corpus-indexer.ts';
import { measured, outcomeOf } from './instruments.ts';

export interface ToolWorkerOptions {
  /** Unique among all workers, also those of the past. */
  readonly workerId: string;
  /** Calls performed at the same time. */
  readonly concurrency: number;
  /** Kinds of calls that it takes; absent: any that nobody takes by name. */
  readonly kinds?: readonly ToolKind[];
  /** Where uploaded folders are read in, one at a time; without it, other workers do that. */
  readonly corpora?: Pick<Corpora, 'build'>;
}

/** A call that killed this many workers is not begun again. */
const mostAttempts = 5;

/** Takes tool calls, performs them, and commits their results itself. */
export class ToolWorker {
  readonly #working: Working;

  private constructor(working: Working) {
    this.#working = working;
  }

  /** @throws Unavailable when the stores cannot be reached */
  static async start(
    runs: Runs,
    tools: readonly Tool[],
    { workerId, concurrency, kinds, corpora }: ToolWorkerOptions,
    logger: Logger,
  ): Promise<ToolWorker> {
    const byName = new Map(tools.map((tool) => [tool.signature.name, tool]));
    const onFault = (error: unknown, { runId, traceId }: FaultyRing): void => {
      logger.log('error', 'call failed in its worker', { runId, trace_id: traceId, message: messageOf(error) });
    };
    const takes = kinds === undefined ? {} : { kinds };
    let lives = 0;
    const working = await Working.begin({
      join: async () => {
        lives += 1;
        return await runs.join({
          workerId: `${workerId}-${lives}`,
          role: 'tool-worker',
          slots: concurrency,
          ...takes,
        });
      },
      answer: async (member) => [
        await runs.answerCalls(member, { concurrency, onFault, ...takes }, async (claim, signal) => {
          const tool = byName.get(claim.tool);
          return await measured(tool?.signature.name, async () => await traced(claim, tool, signal, logger));
        }),
        ...(corpora === undefined ? [] : [await answerCorpora(member, { runs, corpora, logger })]),
      ],
      onLost: (reason) => logger.log('error', 'membership lost', { workerId, message: messageOf(reason) }),
    });
    return new ToolWorker(working);
  }

  /** Takes no more calls, lets those in work end for 80 % of `graceMs`, and gives back the rest. */
  async stop(graceMs: number): Promise<void> {
    await this.#working.stop(graceMs);
  }
}

/** Performs a call in a span, under that of the step that asked for it. */
async function traced(
  claim: CallClaim,
  tool: Tool | undefined,
  stop: AbortSignal,
  logger: Logger,
): Promise<CallResult | HandedOver> {
  const name = tool?.signature.name ?? 'none';
  const fields = {
    [spanKeys.operation]: 'execute_tool',
    [spanKeys.tool]: name,
    [spanKeys.callId]: claim.callId,
    [spanKeys.attempt]: claim.attempt,
    [spanKeys.run]: claim.runId,
    [spanKeys.tenant]: claim.tenantId,
  };
  return await inSpan(`execute_tool ${name}`, { under: claim.traceparent, fields }, async (span) => {
    const called = await perform(claim, tool, stop, logger);
    const outcome = outcomeOf(called);
    span.set({ [spanKeys.outcome]: outcome });
    if (outcome !== 'done' && outcome !== 'handed_over') span.fail(outcome);
    return called;
  });
}

/** Every fault becomes an observation that the model can read; only a stop is thrown. */
async function perform(
  claim: CallClaim,
  tool: Tool | undefined,
  stop: AbortSignal,
  logger: Logger,
): Promise<CallResult | HandedOver> {
  const { runId, callId, attempt } = claim;
  const ids = { runId, callId, trace_id: traceIdOf(claim.traceparent), tool: claim.tool };
  if (tool === undefined) return faulted(claim, 'invalid', `There is no tool named ${JSON.stringify(claim.tool)}.`);
  if (tool.sideEffects && attempt > 1) {
    const lost = 'An earlier attempt may have taken effect but its reply was lost; it was not repeated.';
    return { ...faulted(claim, 'transient', lost), state: 'unknown' };
  }
  if (attempt > mostAttempts)
    return faulted(claim, 'transient', `The call was begun ${mostAttempts} times without an end.`);
  const startedAt = performance.now();
  const deadline = AbortSignal.timeout(tool.deadlineMs);
  try {
    const output = await tool.run(claim.args, contextOf(claim, AbortSignal.any([stop, deadline])));
    const ms = Math.round(performance.now() - startedAt);
    logger.log('info', 'tool called', { ...ids, ms });
    return { state: 'done', ...output };
  } catch (error) {
    if (stop.aborted) throw new Aborted(`Tool call ${callId} was stopped.`, { cause: error });
    if (error instanceof ForOthers) return { state: 'handed-over', to: error.kind };
    if (error instanceof InvalidInput) return faulted(claim, 'invalid', error.message);
    if (deadline.aborted)
      return faulted(claim, 'transient', `${claim.tool} gave no result within ${tool.deadlineMs} ms.`);
    logger.log('error', 'tool failed', { ...ids, message: messageOf(error) });
    return faulted(claim, 'transient', `${claim.tool} failed inside; the operator's log has the reason.`);
  }
}

function contextOf({ tenantId, sources, callId, opens, reading }: CallClaim, signal: AbortSignal): ToolContext {
  return { tenantId, policy: sources, signal, callId, opens, reading, now: new Date().toISOString() };
}

function faulted(claim: CallClaim, kind: 'invalid' | 'transient', message: string): CallResult {
  const section = { label: claim.tool, passages: [], fault: { kind, message } };
  return { state: 'done', observation: { sections: [section], sources: [] }, snapshots: new Map() };
}
