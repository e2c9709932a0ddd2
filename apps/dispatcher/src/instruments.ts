import { counter, gauge } from '#platform';
import type { Census } from '#runs';

export const putBack = counter(
  'argosy_put_back_total',
  'What should have moved and did not, and was put on its way again.',
  (['run', 'call'] as const).map((kind) => ({ kind })),
);

const leader = gauge('argosy_dispatcher_leader', '1 while this dispatcher has the duty, 0 while it waits for it.');
const runs = gauge('argosy_runs', 'Unfinished runs by state. Stated by the dispatcher at work.');
const oldestWait = gauge('argosy_runs_oldest_wait_seconds', 'How long the oldest queued run has waited.');
const workers = gauge('argosy_workers', 'Living workers by role.');
const slots = gauge('argosy_worker_slots', 'Units of work that the living workers take at once, by role.');

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
    leader.from(() => [{ value: known().leads ? 1 : 0 }]),
    runs.from(() =>
      counted(({ queued, running }) => [
        { value: queued, labels: { state: 'queued' } },
        { value: running, labels: { state: 'running' } },
      ]),
    ),
    oldestWait.from(() => counted(({ oldestSeconds }) => [{ value: oldestSeconds }])),
    workers.from(() =>
      counted((census) => census.workers.map(({ role, count }) => ({ value: count, labels: { role } }))),
    ),
    slots.from(() =>
      counted((census) => census.workers.map((worker) => ({ value: worker.slots, labels: { role: worker.role } }))),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}
