import { type Row, round } from '../result.ts';
import { bestOf, type Result } from './table.ts';

/** Shares of the best peer's wait and pod-hours by which a contender is better: as cheap as that, or as quick. */
const cheaper = { wait: 1, podHours: 0.92 };
const quicker = { wait: 0.65, podHours: 1.2 };

/**
 * Ours beside the incumbent with our hand-over. `wait` and `pod_hours` are shares of its best setting's; `at_no_longer_wait` is
 * the share of the cheapest of its settings that keeps p95 as low, where one does.
 */
export function verdicts(trace: string, results: readonly Result[]): Row[] {
  const peer = bestOf('hand-over', results);
  if (peer === undefined) throw new Error('nothing to compare with');
  return results
    .filter(({ contender }) => contender.family === 'ours')
    .map((ours) => {
      const wait = ours.p95 === peer.p95 ? 1 : round(ours.p95 / Math.max(1, peer.p95), 3);
      const podHours = round(ours.podHours / peer.podHours, 3);
      const level = cheapestWithin(ours.p95, results);
      const reached = [
        ...(wait <= cheaper.wait && podHours <= cheaper.podHours ? ['cheaper'] : []),
        ...(wait <= quicker.wait && podHours <= quicker.podHours ? ['quicker'] : []),
      ];
      return {
        what: 'verdict',
        trace,
        scaler: ours.contender.name,
        peer: peer.contender.name,
        wait,
        pod_hours: podHours,
        at_no_longer_wait: level === undefined ? 'no setting' : String(round(ours.podHours / level, 3)),
        reached: reached.length === 0 ? 'no' : reached.join(', '),
      };
    });
}

function cheapestWithin(p95: number, results: readonly Result[]): number | undefined {
  const able = results.filter((one) => one.contender.family === 'hand-over' && one.p95 <= p95);
  return able.length === 0 ? undefined : Math.min(...able.map(({ podHours }) => podHours));
}
