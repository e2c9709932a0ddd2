import { createHash } from 'node:crypto';
import type { Observation, PlacedCall, ResearchEvent, ToolCall, ToolOutcome } from '#domain';
import { eventSchemaVersion, lateOutcome } from '#domain';
import { ArgosyError } from '#errors';
import { storedJson } from './json.ts';

/** A step as it is stored: observations are left in their tool-call rows and only named. */
export type StepPayload =
  | Exclude<ResearchEvent, { kind: 'tools-returned' }>
  | { readonly kind: 'tools-returned'; readonly calls: readonly StoredCall[]; readonly at?: string };

/** `late`: its result, which may have come since, is not that of the step. */
type StoredCall = ToolCall & { readonly callId: string; readonly late?: true };

/** A row of the log was written by a newer release, or names a result that is not there. */
export class LogUnreadable extends ArgosyError {
  override readonly name = 'LogUnreadable';
  readonly code = 'log_unreadable';
  readonly retryable = false;
}

/**
 * Identity of a call: the same place with the same arguments is the same call, whoever asks and however often; also
 * after its arguments were read back from the log.
 */
export function callIdOf(runId: string, { step, index, tool, args }: PlacedCall): string {
  return createHash('sha256')
    .update(storedJson([runId, step, index, tool, args]))
    .digest('hex')
    .slice(0, 32);
}

/** The stored form of an event. `calls` are those that a `tools-returned` answers, in order. */
export function toPayload(runId: string, event: ResearchEvent, calls: readonly PlacedCall[]): StepPayload {
  if (event.kind !== 'tools-returned') return event;
  const late = (index: number) => (event.outcomes[index]?.late ? { late: true as const } : {});
  return {
    kind: 'tools-returned',
    ...(event.at === undefined ? {} : { at: event.at }),
    calls: calls.map((call, index) => {
      return { tool: call.tool, args: call.args, callId: callIdOf(runId, call), ...late(index) };
    }),
  };
}

/**
 * The event that a row stands for. The place where steps of older releases are brought up to date.
 * @param results observations of the run's finished calls, by call id
 */
export function fromPayload(
  payload: StepPayload,
  schemaVersion: number,
  results: ReadonlyMap<string, Observation>,
): ResearchEvent {
  if (schemaVersion > eventSchemaVersion) {
    throw new LogUnreadable(`A step of schema ${schemaVersion} was found; this release knows ${eventSchemaVersion}.`);
  }
  if (payload.kind !== 'tools-returned') return payload;
  const outcomes = payload.calls.map(({ tool, args, callId, late }): ToolOutcome => {
    if (late) return lateOutcome({ tool, args });
    const observation = results.get(callId);
    if (observation === undefined) throw new LogUnreadable(`The result of tool call ${callId} is missing.`);
    return { call: { tool, args }, observation };
  });
  return { kind: 'tools-returned', outcomes, ...(payload.at === undefined ? {} : { at: payload.at }) };
}
