import type { FaultKind } from '#errors';
import { Instruments, longSecondsBoundaries, namesOf } from '#platform';
import type { CallResult, HandedOver } from '#runs';

const workers = new Instruments('tool-worker');

const inFlight = workers.upDownCounter('argosy_tool_calls_in_flight', 'Tool calls that this process performs now.');

const faults = ['transient', 'quota', 'blocked', 'empty', 'invalid'] as const satisfies FaultKind[];

const duration = workers.histogram(
  'argosy_tool_call_duration_seconds',
  'Tool calls: `done`, `stopped`, `unknown` where an earlier attempt may have taken effect, `handed_over` to workers of another kind, or the class of fault that the model was told.',
  {
    labels: {
      tool: namesOf('a tool, or `none` for one that is not there'),
      outcome: ['done', 'stopped', 'unknown', 'handed_over', ...faults],
    },
    boundaries: longSecondsBoundaries,
  },
);

type Outcome = FaultKind | 'done' | 'stopped' | 'unknown' | 'handed_over';

type Called = CallResult | HandedOver;

/**
 * Counts and times a call.
 * @param tool the name of a tool that is there; whatever else a model asked for counts as `none`
 */
export async function measured(tool: string | undefined, call: () => Promise<Called>): Promise<Called> {
  const startedAt = performance.now();
  let outcome: Outcome = 'stopped';
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

/** `done`, or why there is no result: handed over, unknown, or the fault that the model was told. */
export function outcomeOf(called: Called): Outcome {
  if (called.state === 'handed-over') return 'handed_over';
  if (called.state === 'unknown') return 'unknown';
  const { sections } = called.observation;
  // One page of several that failed is a result; nothing but faults is none.
  const kinds = sections.flatMap(({ fault }) => (fault === undefined ? [] : [fault.kind]));
  return kinds.length > 0 && kinds.length === sections.length ? (kinds[0] ?? 'done') : 'done';
}
