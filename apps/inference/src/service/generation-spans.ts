/** What a coordinator tells of the replies that it generates to whoever traces them. */
import type { Metadata } from '@grpc/grpc-js';
import type { inference } from '#contracts/rpc';
import type { Model } from '#moe';
import { beginSpan, failWith, inSpan, type OpenSpan, spanKeys } from '#platform';

/** The spans of replies under way, by the requests that they are generated for. */
const spans = new WeakMap<object, OpenSpan>();

/** A sampled reply tells of its first step, and all of them together of one a second: steps are many, and much alike. */
const everyMs = 1_000;
/** Of other replies in the same step. */
const mostLinks = 16;

/** Names the request that a reply is generated for, so that its steps find its span. @returns the request */
export function spanOfRequest<R extends object>(request: R, span: OpenSpan): R {
  if (span.isSampled) spans.set(request, span);
  return request;
}

/** A model that tells of some of its steps. @param now milliseconds, never running backwards */
export function traceSteps(model: Pick<Model, 'step'>, now: () => number): Pick<Model, 'step'> {
  const told = new WeakSet<OpenSpan>();
  let nextAt = Number.NEGATIVE_INFINITY;
  return {
    async step(batch, signal) {
      const sampled = batch.flatMap(({ of }) => (of && spans.get(of)) ?? []);
      const first = sampled.find((span) => !told.has(span));
      const chosen = first ?? (now() >= nextAt ? sampled[0] : undefined);
      if (chosen === undefined) return await model.step(batch, signal);
      for (const span of sampled) told.add(span);
      nextAt = now() + everyMs;
      const others = sampled.filter((span) => span !== chosen).slice(0, mostLinks);
      const stepTokens = batch.reduce((sum, { tokens }) => sum + tokens.length, 0);
      const fields = { [spanKeys.running]: batch.length, [spanKeys.stepTokens]: stepTokens };
      const links = others.flatMap(({ traceparent }) => traceparent ?? []);
      const start = { under: chosen.traceparent, links, fields };
      return await inSpan('schedule step', start, async () => await model.step(batch, signal));
    },
  };
}

/** The messages of one reply, in a span under its caller's. */
export async function* inReplySpan(
  { requestId, tenant, sessionId }: inference.GenerateRequest,
  metadata: Metadata,
  messages: (span: OpenSpan) => AsyncIterable<inference.GenerateResponse>,
): AsyncGenerator<inference.GenerateResponse> {
  const [traceparent] = metadata.get('traceparent');
  const fields = { [spanKeys.request]: requestId, [spanKeys.tenant]: tenant, [spanKeys.conversation]: sessionId };
  const under = typeof traceparent === 'string' ? traceparent : null;
  const startedAt = Date.now();
  const span = beginSpan('generate', { under, kind: 'server', fields });
  try {
    for await (const message of messages(span)) {
      tell(span, message, startedAt);
      yield message;
    }
  } catch (error) {
    failWith(span, error);
    throw error;
  } finally {
    span.end();
  }
}

function tell(span: OpenSpan, { event }: inference.GenerateResponse, startedAt: number): void {
  if (!span.isRecorded) return;
  if (event?.$case === 'accepted') {
    const fields = { [spanKeys.cachedTokens]: event.value.cachedTokens };
    beginSpan('wait place', { under: span.traceparent, startedAt, fields }).end();
  }
  if (event?.$case !== 'finished') return;
  const { usage, reason } = event.value;
  span.set({
    [spanKeys.promptTokens]: usage?.promptTokens,
    [spanKeys.cachedTokens]: usage?.cachedTokens,
    [spanKeys.completionTokens]: usage?.completionTokens,
    [spanKeys.finish]: reason,
  });
}
