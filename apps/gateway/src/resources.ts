import type { RunResource } from '#contracts';
import type { Budget, Report } from '#domain';
import type { Delta, RunView, StoredEvent } from '#runs';

/** The public form of a run. */
export function toResource(run: RunView): RunResource {
  return {
    id: run.runId,
    status: run.status,
    question: run.question,
    model: run.model,
    created_at: run.acceptedAt,
    started_at: run.startedAt,
    ended_at: run.endedAt,
    queue_position: run.queuePosition,
    metadata: { ...run.metadata },
    budget: budgetOf(run.budget),
    corpora: [...run.corpora],
    report: run.report === null ? null : mutable(run.report),
  };
}

function budgetOf({ outputTokens, toolCalls, ...rest }: Budget): RunResource['budget'] {
  return {
    ...rest,
    ...(outputTokens === undefined ? {} : { output_tokens: outputTokens }),
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls }),
  };
}

/** The same report under the schema's type, which knows no `readonly`. */
function mutable(report: Report): NonNullable<RunResource['report']> {
  return {
    ...report,
    degraded: [...report.degraded],
    claims: report.claims.map((claim) => ({ ...claim, citations: [...claim.citations] })),
    sources: [...report.sources],
    output_citations: report.output_citations.map((proof) => ({ ...proof, citations: [...proof.citations] })),
    output_faults: [...report.output_faults],
    // Reports of earlier releases have none.
    attributions: [...(report.attributions ?? [])],
  };
}

/** Many clients are told of the same event. */
const written = new WeakMap<StoredEvent, Buffer>();

/** A durable event as server-sent event, in UTF-8: `id` is what a client sends back as Last-Event-ID. */
export function toSse(event: StoredEvent): Buffer {
  const known = written.get(event);
  if (known !== undefined) return known;
  const { seq, type, data, at } = event;
  const bytes = Buffer.from(`id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify({ ...data, at })}\n\n`);
  written.set(event, bytes);
  return bytes;
}

/** Text as a model writes it. Without an id: never replayed, and made good by the event of the finished step. */
export function toDeltaSse({ step, text }: Delta): string {
  return `event: delta\ndata: ${JSON.stringify({ step, text })}\n\n`;
}

/** The last word to a client whose key is no longer accepted. */
export const endedSse = ': this key is no longer accepted\n\n';

/** Keeps proxies from closing a quiet stream. */
export const heartbeatSse = ': still here\n\n';
