import { Instruments, namesOf } from '#platform';
import type { Alarm, Decision } from './core/state.ts';

const autoscalers = new Instruments('autoscaler');
const pool = namesOf('a pool');
const alarm = [
  ...(['pool-missing', 'second-owner', 'signals-missing', 'signals-stale', 'signals-absurd', 'clock-skew'] as const),
  ...(['never-ready', 'not-done', 'gpu-budget', 'money-budget', 'at-max'] as const),
] as const satisfies Alarm[];

export const actionsTaken = autoscalers.counter('argosy_scale_actions_total', 'What was done to pools.', {
  pool,
  kind: ['undrain', 'drain', 'mend', 'scale'],
});

const leader = autoscalers.gauge(
  'argosy_scale_leader',
  '1 while this autoscaler has the lead, 0 while it waits for it.',
);
const target = autoscalers.gauge(
  'argosy_scale_target',
  'Units that a pool shall have. Stated by the autoscaler that leads.',
  { pool },
);
const wanted = autoscalers.gauge(
  'argosy_scale_wanted',
  'Units that the work of a pool asks for, before window and budgets.',
  { pool },
);
const lead = autoscalers.gauge(
  'argosy_scale_lead_seconds',
  'How long a unit of a pool takes until it serves, as measured.',
  { pool },
);
const alarms = autoscalers.gauge('argosy_scale_alarm', '1 for each alarm that a pool has.', { pool, alarm });

export interface ScaleKnowledge {
  readonly leads: boolean;
  readonly decisions: readonly Decision[];
}

/** States the last decisions whenever the metrics are read, as long as they are this process's to make. @returns ends that */
export function stating(known: () => ScaleKnowledge): () => void {
  const each = <T>(read: (decision: Decision) => T[]): T[] => {
    const { leads, decisions } = known();
    return leads ? decisions.flatMap(read) : [];
  };
  const ends = [
    leader.from(() => [{ value: known().leads ? 1 : 0 }]),
    target.from(() => each(({ pool: name, target: value }) => [{ value, labels: { pool: name } }])),
    wanted.from(() => each(({ pool: name, wanted: value }) => [{ value, labels: { pool: name } }])),
    lead.from(() => each(({ pool: name, leadMs }) => [{ value: leadMs / 1_000, labels: { pool: name } }])),
    alarms.from(() => each((one) => one.alarms.map((kind) => ({ value: 1, labels: { pool: one.pool, alarm: kind } })))),
  ];
  return () => {
    for (const end of ends) end();
  };
}
