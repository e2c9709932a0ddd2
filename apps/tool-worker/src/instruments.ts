import { histogram, longSecondsBoundaries, upDownCounter } from '#platform';
import type { CallResult } from '#runs';

const inFlight = upDownCounter('argosy_tool_calls_in_flight', 'Tool calls that this process performs now.');

const duration = histogram(
  'argosy_tool_call_duration_seconds',
  'Tool calls by tool and outcome: done, stopped, unknown, or the fault that the model was told.',
  longSecondsBoundaries,
);

/**
 * Counts and times a call.
 * @param tool the name of a tool that is there; whatever else a model asked for counts as `none`
 */
export async function measured(tool: string | undefined, call: () => Promise<CallResult>): Promise<CallResult> {
  const startedAt = performance.now();
  let outcome = 'stopped';
  inFlight.add(1);
  try {
    const result = await call();
    outcome = outcomeOf(result);
    return result;
  } finally {
    inFlight.add(-1);
    duration.record((performance.now() - startedAt) / 1000, { tool: tool ?? 'none', outcome });
  }
}

function outcomeOf({ state, observation }: CallResult): string {
  if (state === 'unknown') return 'unknown';
  const { sections } = observation;
  // One page of several that failed is a result; nothing but faults is none.
  const faults = sections.flatMap(({ fault }) => (fault === undefined ? [] : [fault.kind]));
  return faults.length > 0 && faults.length === sections.length ? (faults[0] ?? 'done') : 'done';
}
