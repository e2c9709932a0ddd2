import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { plainPolicy, type Round, ToyPool, unbounded } from '../../../../test/support/toy-pool.ts';
import { decide } from './decide.ts';
import { rateOf } from './learning.ts';
import type { Decision, PoolPolicy, PoolState, Signals } from './state.ts';
import { tableOf, type Unit } from './unit-table.ts';

const minute = 60_000;
/** Jobs that come before each round, as minutes that each takes. */
const adversary = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<number[]>([]) },
    { weight: 2, arbitrary: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }) },
    { weight: 1, arbitrary: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 40, maxLength: 80 }) },
  ),
  { minLength: 20, maxLength: 120 },
);

function play(pool: ToyPool, trace: readonly (readonly number[])[]): Round[] {
  return trace.map((jobs) => {
    pool.arrive(jobs.map((minutes) => minutes * minute));
    return pool.round();
  });
}

/** Rounds in which a level that had fallen rose again. */
function turns(rounds: readonly Round[]): number[] {
  let falling = false;
  return rounds.flatMap(({ target }, index) => {
    const before = rounds[index - 1]?.target ?? target;
    if (target < before) falling = true;
    if (target <= before || !falling) return [];
    falling = false;
    return [index];
  });
}

describe('a pool under adversarial work', () => {
  const policies: [string, PoolPolicy][] = [
    ['any victim', plainPolicy],
    ['the last as the victim', { ...plainPolicy, victims: 'last' }],
    ['foresight', { ...plainPolicy, foresight: 1, fill: 0.8 }],
  ];

  it.each(policies)('loses no work and has never fewer units than its jobs in flight need: %s', (_, policy) => {
    fc.assert(
      fc.property(adversary, (trace) => {
        for (const { killed, active, target } of play(new ToyPool(policy), trace)) {
          expect(killed).toBe(0);
          expect(target).toBeGreaterThanOrEqual(Math.ceil(active / policy.slots));
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each(policies)('turns from falling to rising at most once within a window: %s', (_, policy) => {
    fc.assert(
      fc.property(adversary, (trace) => {
        const at = turns(play(new ToyPool(policy), trace));
        for (const [index, turn] of at.entries()) {
          const next = at[index + 1] ?? Number.POSITIVE_INFINITY;
          expect((next - turn) * 15_000).toBeGreaterThanOrEqual(policy.windowMs);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('turns at most once within a window when bursts come at the period of the window', () => {
    for (const period of [16, 18, 20, 21, 22, 24, 40, 42]) {
      const trace = Array.from({ length: 400 }, (_, round) => (round % period === 0 ? Array(40).fill(1) : []));
      const at = turns(play(new ToyPool(plainPolicy), trace));
      at.slice(1).forEach((turn, index) => {
        expect((turn - (at[index] ?? 0)) * 15_000).toBeGreaterThanOrEqual(300_000);
      });
    }
  });

  it('ends all work and returns to its minimum', () => {
    fc.assert(
      fc.property(adversary, (trace) => {
        const pool = new ToyPool({ ...plainPolicy, min: 1 });
        play(pool, [...trace, ...Array(600).fill([])]);
        expect(pool.signals()).toMatchObject({ waiting: 0, active: 0 });
        expect(pool.units).toHaveLength(1);
      }),
      { numRuns: 20 },
    );
  });
});

describe('the level', () => {
  it('rises at once to what waits, and asks for nothing twice while units are on their way', () => {
    const pool = new ToyPool(plainPolicy, 10 * minute);
    pool.arrive(Array(20).fill(30 * minute));
    expect(pool.round().target).toBe(5);
    for (let round = 0; round < 20; round++) expect(pool.round().target).toBe(5);
    expect(pool.units).toHaveLength(5);
  });

  it('provides for the arrivals of the lead time as far as foresight says', () => {
    const without = new ToyPool(plainPolicy, 8 * minute);
    const having = new ToyPool({ ...plainPolicy, foresight: 1, coldStartMs: 8 * minute }, 8 * minute);
    const steady = Array.from({ length: 8 }, () => [40, 40]);
    expect(play(having, steady).at(-1)?.target).toBeGreaterThan((play(without, steady).at(-1)?.target ?? 0) + 4);
  });

  it('learns service times also from jobs that still run', () => {
    const pool = new ToyPool(plainPolicy, 0);
    play(pool, [[], [1, 1, 60, 60], ...Array(120).fill([])]);
    const { decisions } = decide({ nowMs: pool.nowMs, pools: [pool.state()], budgets: unbounded });
    const learned = (decisions[0]?.serviceMs ?? 0) / minute;
    expect(learned).toBeGreaterThan(25);
    expect(learned).toBeLessThan(35);
  });

  it('adds a unit when a job waits for longer than its limit and a start', () => {
    const wanted = (oldestWaitMs: number) =>
      only(poolOf({ units: serving([4, 4]), signals: { waiting: 1, active: 4, oldestWaitMs } })).wanted;
    expect(wanted(12 * minute)).toBe(3);
    expect(wanted(10.5 * minute)).toBe(2);
  });

  it('asks for no start for what will have ended by then, and yet gives up nothing that a job waits for', () => {
    // Mean service time is 4 minutes, a start takes 8: of 40 jobs 35 will have ended, and nobody comes.
    const learned = { fast: 0, slow: 0, finished: 100, busyMs: 400 * minute, readyMs: [], readySeenMs: 1 };
    const at = (units: number, foresight: number): Decision => {
      const state = poolOf({ units: serving(Array(units).fill(4)), policy: { foresight, coldStartMs: 8 * minute } });
      const signals = { ...still, waiting: 8, active: 40 };
      const memory = { ...learned, target: units, seen: signals, wanted: [] };
      return only({ ...state, signals, memory });
    };
    expect(at(10, 0).target).toBe(12);
    expect(at(10, 1)).toMatchObject({ target: 10, wanted: 10 });
    expect(at(14, 1).target).toBe(12);
  });

  it('takes no single arrival for a rate, and a burst for one', () => {
    const memory = only(poolOf({})).memory;
    if (memory === undefined) throw new Error('nothing was learned');
    const perMs = (arrived: number): number => rateOf({ ...memory, fast: arrived / minute, slow: 0.5 / minute });
    expect(perMs(1) * minute).toBe(0.5);
    expect(perMs(18) * minute).toBeCloseTo(12);
  });
});

const now = 10_000_000;
const still: Signals = { atMs: now, waiting: 0, active: 0, arrivedTotal: 0, finishedTotal: 0, oldestWaitMs: 0 };

function serving(busy: readonly number[]): Unit[] {
  return busy.map((slots, ordinal) => ({
    name: `unit-${ordinal}`,
    phase: 'ready',
    busy: slots,
    remaining: slots,
    ordinal,
    createdAtMs: 0,
    readyAtMs: 1,
  }));
}

function poolOf(given: { units?: Unit[]; signals?: Partial<Signals>; policy?: Partial<PoolPolicy> }): PoolState {
  const units = given.units ?? [];
  const policy = { ...plainPolicy, ...given.policy };
  return { policy, replicas: units.length, units: tableOf(units), signals: { ...still, ...given.signals } };
}

function only(pool: PoolState): Decision {
  const decision = decide({ nowMs: now, pools: [pool], budgets: unbounded }).decisions[0];
  if (decision === undefined) throw new Error('no decision');
  return decision;
}

describe('what cannot be trusted', () => {
  const units = serving([4, 4]);
  const busy = { waiting: 40, active: 8 };
  const cases: [string, PoolState, string][] = [
    ['stale signals', poolOf({ units, signals: { ...busy, atMs: now - 61_000 } }), 'signals-stale'],
    ['signals of the future', poolOf({ units, signals: { ...busy, atMs: now + 6_000 } }), 'clock-skew'],
    ['a negative count', poolOf({ units, signals: { ...busy, waiting: -1 } }), 'signals-absurd'],
    ['not a number', poolOf({ units, signals: { ...busy, active: Number.NaN } }), 'signals-absurd'],
    ['an endless count', poolOf({ units, signals: { waiting: Number.POSITIVE_INFINITY } }), 'signals-absurd'],
    ['more jobs than there are', poolOf({ units, signals: { waiting: 1e12 } }), 'signals-absurd'],
    [
      'a second owner',
      { ...poolOf({ units, signals: busy }), barred: { alarm: 'second-owner', why: 'HPA x' } },
      'second-owner',
    ],
  ];

  it.each(cases)('holds and says so: %s', (_, pool, alarm) => {
    const decision = only(pool);
    expect(decision).toMatchObject({ actions: [], alarms: [alarm], target: 2 });
    expect(decision.reasons[0]).toMatch(/^holds: /);
  });

  it('holds for one round when totals were counted anew, and goes on from there', () => {
    const pool = new ToyPool(plainPolicy);
    pool.arrive([minute]);
    pool.round();
    expect(pool.round({ arrivedTotal: 0, finishedTotal: 0 }).target).toBe(1);
    pool.arrive(Array(20).fill(minute));
    expect(pool.round({ arrivedTotal: 20, finishedTotal: 0 }).target).toBe(6);
  });

  it('leaves the other pools alone', () => {
    const pools = [
      poolOf({ signals: { waiting: -4 } }),
      poolOf({ signals: { waiting: 4 }, policy: { name: 'other' } }),
    ];
    const { decisions } = decide({ nowMs: now, pools, budgets: unbounded });
    expect(decisions.map(({ target }) => target)).toEqual([0, 1]);
  });

  it('asks for no more units where none becomes ready, and says so', () => {
    const pool = new ToyPool(plainPolicy, 10 ** 9);
    pool.arrive([minute]);
    for (let round = 0; round < 60; round++) pool.round();
    pool.arrive(Array(100).fill(minute));
    expect(pool.round().target).toBe(1);
    const { decisions } = decide({ nowMs: pool.nowMs, pools: [pool.state()], budgets: unbounded });
    expect(decisions[0]?.alarms).toContain('never-ready');
  });
});
