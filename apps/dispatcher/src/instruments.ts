import { toolKinds } from '#domain';
import { Instruments, namesOf } from '#platform';
import type { Census } from '#runs';

const dispatchers = new Instruments('dispatcher');
const role = namesOf('a role of workers');

export const putBack = dispatchers.counter(
  'argosy_put_back_total',
  'What should have moved and did not, and was put on its way again.',
  { kind: ['run', 'call'] },
);

const leader = dispatchers.gauge(
  'argosy_dispatcher_leader',
  '1 while this dispatcher has the duty, 0 while it waits for it; the sum over all should be 1.',
);
const runs = dispatchers.gauge(
  'argosy_runs',
  'Unfinished runs. Stated by the dispatcher at work, as of the last 5 s.',
  {
    state: ['queued', 'running'],
  },
);
const oldestWait = dispatchers.gauge('argosy_runs_oldest_wait_seconds', 'How long the oldest queued run has waited.');
const workers = dispatchers.gauge('argosy_workers', 'Living workers by role.', { role });
const slots = dispatchers.gauge('argosy_worker_slots', 'Units of work that the living workers take at once, by role.', {
  role,
});

const kind = toolKinds;
const calls = dispatchers.gauge('argosy_tool_calls', 'Tool calls that runs wait for.', {
  kind,
  state: ['waiting', 'running'],
});
const oldestCall = dispatchers.gauge(
  'argosy_tool_calls_oldest_wait_seconds',
  'How long the oldest waiting call of a kind has waited.',
  { kind },
);
const callWorkers = dispatchers.gauge('argosy_tool_workers', 'Living workers that take calls of a kind.', { kind });

/** What a dispatcher knows of the fleet. */
export interface Knowledge {
  readonly leads: boolean;
  /** Null while it does not know. */
  readonly census: Census | null;
}

/** States what the dispatcher knows whenever the metrics are read. @returns ends that */
export function stating(known: () => Knowledge): () => void {
  const counted = <T>(read: (census: Census) => T[]): T[] => {
    const { census } = known();
    return census === null ? [] : read(census);
  };
  const ends = [
    ...statingCalls(() => known().census?.calls ?? []),
    leader.from(() => [{ value: known().leads ? 1 : 0 }]),
    runs.from(() =>
      counted(({ queued, running }) => [
        { value: queued, labels: { state: 'queued' } },
        { value: running, labels: { state: 'running' } },
      ]),
    ),
    oldestWait.from(() => counted(({ oldestSeconds }) => [{ value: oldestSeconds }])),
    workers.from(() =>
      counted((census) => census.workers.map(({ role: of, count }) => ({ value: count, labels: { role: of } }))),
    ),
    slots.from(() =>
      counted((census) => census.workers.map((worker) => ({ value: worker.slots, labels: { role: worker.role } }))),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function statingCalls(counted: () => Census['calls']): (() => void)[] {
  return [
    calls.from(() =>
      counted().flatMap(({ kind: of, waiting, running }) => [
        { value: waiting, labels: { kind: of, state: 'waiting' as const } },
        { value: running, labels: { kind: of, state: 'running' as const } },
      ]),
    ),
    oldestCall.from(() => counted().map((one) => ({ value: one.oldestSeconds, labels: { kind: one.kind } }))),
    callWorkers.from(() => counted().map((one) => ({ value: one.workers, labels: { kind: one.kind } }))),
  ];
}
