import { counter, gauge } from '#platform';
import type { Decision } from './core/state.ts';

export const actionsTaken = counter('argosy_scale_actions_total', 'What the autoscaler did to pools, by kind.');

const leader = gauge('argosy_scale_leader', '1 while this autoscaler has the lead, 0 while it waits for it.');
const target = gauge('argosy_scale_target', 'Units that a pool shall have. Stated by the autoscaler that leads.');
const wanted = gauge('argosy_scale_wanted', 'Units that the work of a pool asks for, before window and budgets.');
const lead = gauge('argosy_scale_lead_seconds', 'How long a unit of a pool takes until it serves, as measured.');
const alarms = gauge('argosy_scale_alarm', '1 for each alarm that a pool has.');

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
    target.from(() => each(({ pool, target: value }) => [{ value, labels: { pool } }])),
    wanted.from(() => each(({ pool, wanted: value }) => [{ value, labels: { pool } }])),
    lead.from(() => each(({ pool, leadMs }) => [{ value: leadMs / 1_000, labels: { pool } }])),
    alarms.from(() => each((one) => one.alarms.map((alarm) => ({ value: 1, labels: { pool: one.pool, alarm } })))),
  ];
  return () => {
    for (const end of ends) end();
  };
}
