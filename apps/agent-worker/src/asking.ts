/** What a model is asked for a run. */
import {
  type ModelReply,
  type Order,
  type ResearchRequest,
  type ResearchState,
  type SourcePolicy,
  shownTurns,
} from '#domain';
import type { ChatModel, ChatRequest, OfferedTool, OnDelta } from '#model';
import type { Claim } from '#runs';

/** Names a run to the servers of its model. */
export function sessionOf({ runId, tenantId }: Claim): Required<Pick<ChatRequest, 'session' | 'tenant'>> {
  return { session: runId, tenant: tenantId };
}

/** Where a run is asked for. */
interface Asker {
  readonly claim: Claim;
  readonly tools: readonly OfferedTool[];
  /** The span of the step, as `traceparent`. */
  readonly span: string;
}

/** @param order what the reply has to be, where it is no research */
export function chatRequestOf(
  { turns: all, context }: ResearchState,
  order: Order | null,
  { claim, tools, span }: Asker,
): ChatRequest {
  const { today, sources, limits, traceContent } = claim.request;
  return {
    turns: shownTurns(all, context),
    tools: tools.filter(({ name }) => isOfUse(name, sources)),
    today,
    mustAnswer: order !== null,
    maxCompletionTokens: limits.answerTokens,
    ...sessionOf(claim),
    traceparent: span,
    ...(traceContent === true ? { traceContent } : {}),
    ...(order?.schema ? { outputSchema: order.schema } : {}),
    ...(context.measured ? { measured: context.measured } : {}),
  };
}

/** Asks for a reply and notes how long it took, and until its first text. */
export async function timed(
  now: () => number,
  onText: OnDelta,
  ask: (onText: OnDelta) => Promise<ModelReply>,
): Promise<ModelReply> {
  const startedAt = now();
  const since = (): number => Math.round(now() - startedAt);
  let firstMs: number | undefined;
  const reply = await ask((text) => {
    firstMs ??= since();
    onText(text);
  });
  return { ...reply, times: { ...reply.times, ms: since(), ...(firstMs === undefined ? {} : { firstMs }) } };
}

/** Least time that a run waits for its model: asked again at once, it would only find it as it was. */
const leastDelayMs = 1_000;
const mostDelayMs = 600_000;

/**
 * How long a run waits for its model, in ms: as it says, but not past the end of the run's own time, when its end is due.
 * @param limitSeconds of the run; undefined for none
 */
export function delayOf(busyMs: number, limitSeconds: number | undefined, elapsedSeconds: number): number {
  const leftMs = limitSeconds === undefined ? mostDelayMs : Math.max(0, (limitSeconds - elapsedSeconds) * 1000);
  return Math.ceil(Math.max(leastDelayMs, Math.min(busyMs, leftMs, mostDelayMs)));
}

/** Now, by the database's clock as far as the claim told it: what prices are looked up by. */
export function instantOf({ startedMs }: Claim, elapsedSeconds: number): string {
  return new Date(startedMs + elapsedSeconds * 1000).toISOString();
}

/** Fires when the rest of a limit is over, of which so much is gone or reserved; null without a limit. */
export function deadlineOf(limitSeconds: number | undefined, goneSeconds: number): AbortSignal | null {
  if (limitSeconds === undefined) return null;
  return AbortSignal.timeout(Math.max(0, Math.ceil((limitSeconds - goneSeconds) * 1000)));
}

/** Why a run's model cannot be asked here. */
export function unusable(request: ResearchRequest, model: ChatModel | undefined): string {
  if (model === undefined) return `The model ${request.model} is not configured on this worker.`;
  return `The run was accepted for the profile ${request.profile} of ${request.model}; this worker has ${model.profile}.`;
}

/** A run without documents and without the web has only the pages that its user named; works are found on the web alone. */
function isOfUse(tool: string, { corpora, web }: SourcePolicy): boolean {
  if (tool === 'scholar') return web;
  return tool !== 'search' || corpora.length > 0 || web;
}
