import { describe, expect, it } from '@jest/globals';
import type { Contender } from './contenders.ts';
import { bestOf, type Result, shown } from './table.ts';
import { verdicts } from './verdict.ts';

function result(name: string, family: Contender['family'], [p95, podHours]: readonly [number, number]): Result {
  const contender = { name, graceMs: 0, handsOver: true, ...(family === undefined ? {} : { family }) };
  const scalers = (): never => {
    throw new Error('nobody plays');
  };
  // No story is looked at here.
  return { row: {}, contender: { ...contender, scalers }, p95, podHours, story: {} as Result['story'] };
}

const peers = [
  result('rich', 'hand-over', [20, 120]),
  result('right', 'hand-over', [200, 100]),
  result('poor', 'hand-over', [310, 90]),
];

function reached(point: readonly [number, number], by: readonly Result[] = peers): unknown {
  return verdicts('a course', [...by, result('ours', 'ours', point)])[0];
}

describe('the best setting of a family', () => {
  it('is the cheapest that keeps what was promised', () => {
    expect(bestOf('hand-over', peers)?.contender.name).toBe('right');
  });

  it('is that which waits least, where none keeps it', () => {
    const late = [result('a', 'hand-over', [500, 80]), result('b', 'hand-over', [400, 100])];
    expect(bestOf('hand-over', late)?.contender.name).toBe('b');
  });

  it('alone is shown, with all that have no family and all of ours', () => {
    const all = [...peers, result('HPA', undefined, [900, 1]), result('ours', 'ours', [1, 1])];
    expect(shown(all).map(({ contender }) => contender.name)).toEqual(['right', 'HPA', 'ours']);
  });
});

describe('a verdict', () => {
  it('is cheaper for no longer a wait and 8 % fewer pod-hours, and not for less', () => {
    expect(reached([200, 92])).toMatchObject({ reached: 'cheaper', wait: 1, pod_hours: 0.92 });
    expect(reached([201, 92])).toMatchObject({ reached: 'no' });
    expect(reached([200, 93])).toMatchObject({ reached: 'no' });
  });

  it('is quicker for 35 % less of a wait and 20 % more pod-hours', () => {
    expect(reached([130, 120])).toMatchObject({ reached: 'quicker', wait: 0.65, pod_hours: 1.2 });
    expect(reached([131, 120])).toMatchObject({ reached: 'no' });
    expect(reached([130, 121])).toMatchObject({ reached: 'no' });
  });

  it('tells what the cheapest setting costs that waits no longer', () => {
    expect(reached([100, 108])).toMatchObject({ at_no_longer_wait: '0.9' });
    expect(reached([10, 108])).toMatchObject({ at_no_longer_wait: 'no setting' });
  });
});
