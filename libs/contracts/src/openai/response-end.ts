import type { Report } from '#domain';
import type { OutputMessage, ResponseResource } from './response.ts';
import type { LoggedEvent, ShownRun } from './shown.ts';

/** What the end of a run makes of its response. */
export type ResponseEnd = Pick<
  ResponseResource,
  'status' | 'error' | 'incomplete_details' | 'usage' | 'completed_at' | 'argosy'
>;

/** How a response ends with this last event of its run. */
export function endOf(run: ShownRun, { type, data, at }: LoggedEvent, report: Report | null): ResponseEnd {
  const end: ResponseEnd = {
    status: 'completed',
    error: null,
    incomplete_details: null,
    usage: report === null ? null : usageOf(report.usage),
    completed_at: null,
    argosy: { run_id: run.runId, degraded: [...(report?.degraded ?? run.degraded)] },
  };
  const details = report?.incomplete_details ?? null;
  if (type === 'run.cancelled') return { ...end, status: 'cancelled' };
  if (type === 'run.failed') {
    const message = details?.message ?? String(data['message'] ?? 'The run failed.');
    return { ...end, status: 'failed', error: { code: 'server_error', message } };
  }
  // The protocol leaves calls beyond max_tool_calls unmade and goes on: that is no early end.
  if (type === 'run.incomplete' && details?.reason !== 'max_tool_calls') {
    const { reason, message } = details ?? { reason: 'unknown', message: 'The run ended early.' };
    return { ...end, status: 'incomplete', incomplete_details: { reason: knownReasons[reason] ?? reason, message } };
  }
  if (run.hasSchema && report?.output === null) {
    const message = `No object that fits the schema could be had: ${report.output_faults.join(' ')}`;
    return { ...end, status: 'failed', error: { code: 'server_error', message } };
  }
  return { ...end, completed_at: seconds(at) };
}

/** The one reason of the protocol that tells of tokens; others are told by their own names. */
const knownReasons: Readonly<Record<string, string>> = {
  max_tokens: 'max_output_tokens',
  max_output_tokens: 'max_output_tokens',
  context: 'max_output_tokens',
};

function usageOf(usage: Report['usage']): NonNullable<ResponseResource['usage']> {
  return {
    input_tokens: usage.prompt_tokens,
    // Nobody says what was written to a cache, nor how much of a reply was thought.
    input_tokens_details: { cached_tokens: usage.cached_tokens, cache_write_tokens: 0 },
    output_tokens: usage.completion_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.prompt_tokens + usage.completion_tokens,
  };
}

/** An instant of ISO 8601 in whole seconds since 1970. */
export function seconds(at: string): number {
  return Math.floor(Date.parse(at) / 1000);
}

/** Code points of one piece of text. */
const pieceLength = 48;

/** A text in the pieces that it is streamed in: always the same, so that a stream can be taken up between any two. */
function piecesOf(text: string): readonly string[] {
  return text.match(new RegExp(`[\\s\\S]{1,${pieceLength}}`, 'gu')) ?? [];
}

/** The events by which a message is told, before they are numbered. */
export function messageEvents(message: OutputMessage, output_index: number) {
  const at = { item_id: message.id, output_index, content_index: 0 };
  const events: { readonly type: string; readonly [field: string]: unknown }[] = [
    {
      type: 'response.output_item.added',
      output_index,
      item: { ...message, status: 'in_progress', content: [] },
    },
  ];
  for (const part of message.content) {
    events.push({ type: 'response.content_part.added', ...at, part: { ...part, text: '', annotations: [] } });
    for (const delta of piecesOf(part.text)) {
      events.push({ type: 'response.output_text.delta', ...at, delta, logprobs: [] });
    }
    for (const [annotation_index, annotation] of part.annotations.entries()) {
      events.push({ type: 'response.output_text.annotation.added', ...at, annotation_index, annotation });
    }
    events.push({ type: 'response.output_text.done', ...at, text: part.text, logprobs: [] });
    events.push({ type: 'response.content_part.done', ...at, part });
  }
  events.push({ type: 'response.output_item.done', output_index, item: message });
  return events;
}
