import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { plainPolicy } from '../../../../test/support/toy-pool.ts';
import { type Claim, grant, heldUnits, purseAt } from './budgets.ts';
import { decide } from './decide.ts';
import type { FleetState, PoolPolicy, PoolState, Purse } from './state.ts';
import { tableOf, type Unit } from './unit-table.ts';

const now = 1_000_000;
const rich: Purse = { left: 1e9, atMs: now };

function claim(held: number, target: number, policy: Partial<PoolPolicy> = {}): Claim {
  const full = { ...plainPolicy, gpusPerUnit: 1, ...policy };
  return { pool: { policy: full, replicas: held, units: tableOf([]) }, held, target };
}

const gpus = (count: number, gpusByTenant = {}) => ({ gpus: count, gpusByTenant, moneyPerDay: 1e9 });
const targets = (claims: Claim[], count: number, byTenant = {}) =>
  grant(claims, gpus(count, byTenant), rich).map(({ target }) => target);

describe('the GPU budget', () => {
  it('is never exceeded by growth, and takes nothing that is held', () => {
    const some = fc.record({
      held: fc.nat(6),
      target: fc.nat(12),
      gpusPerUnit: fc.integer({ min: 1, max: 8 }),
      weight: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 8 }), fc.nat(60), (pools, budget) => {
        const claims = pools.map(({ held, target, ...policy }) => claim(held, target, policy));
        const given = grant(claims, gpus(budget), rich);
        const count = (units: (index: number) => number) =>
          pools.reduce((sum, { gpusPerUnit }, index) => sum + gpusPerUnit * units(index), 0);
        const held = count((index) => pools[index]?.held ?? 0);
        const after = count((index) => Math.max(pools[index]?.held ?? 0, given[index]?.target ?? 0));
        expect(after).toBeLessThanOrEqual(Math.max(held, budget));
        given.forEach(({ target }, index) => {
          expect(target).toBeGreaterThanOrEqual(Math.min(pools[index]?.held ?? 0, pools[index]?.target ?? 0));
        });
      }),
    );
  });

  it('shares growth by weight, and lets others have what one cannot use', () => {
    expect(targets([claim(0, 10), claim(0, 10)], 8)).toEqual([4, 4]);
    expect(targets([claim(0, 10, { weight: 3 }), claim(0, 10)], 8)).toEqual([6, 2]);
    expect(targets([claim(0, 2), claim(0, 10)], 8)).toEqual([2, 6]);
    expect(targets([claim(0, 1, { gpusPerUnit: 8 }), claim(0, 10)], 7)).toEqual([0, 7]);
  });

  it('counts units that drain or leave', () => {
    const leaving: Unit = { name: 'u', phase: 'leaving', busy: 0, remaining: 0, ordinal: 0, createdAtMs: 0 };
    expect(heldUnits({ policy: plainPolicy, replicas: 2, units: tableOf([leaving]) })).toBe(3);
    expect(targets([claim(3, 1), claim(0, 4)], 4)).toEqual([1, 1]);
  });

  it('keeps the bound of a tenant, and says what was refused', () => {
    const claims = [claim(0, 4, { tenant: 'a' }), claim(0, 4, { tenant: 'b' })];
    const given = grant(claims, gpus(100, { a: 2 }), rich);
    expect(given.map(({ target }) => target)).toEqual([2, 4]);
    expect(given[0]?.refusal).toEqual({ alarm: 'gpu-budget', why: '0 GPUs of a are left' });
  });
});

describe('the money budget', () => {
  const policy = { ...plainPolicy, costPerUnitHour: 2, min: 1 };
  const fleet = (replicas: number, purse?: Purse): FleetState => {
    const signals = { atMs: now, waiting: 100, active: 0, arrivedTotal: 0, finishedTotal: 0, oldestWaitMs: 0 };
    const pool: PoolState = { policy, replicas, units: tableOf([]), signals };
    const budgets = { gpus: 0, gpusByTenant: {}, moneyPerDay: 48 };
    return { nowMs: now, pools: [pool], budgets, ...(purse === undefined ? {} : { purse }) };
  };

  it('is spent by units that exist and refilled evenly', () => {
    const hourAgo = { left: 10, atMs: now - 3_600_000 };
    expect(purseAt(fleet(3, hourAgo)).left).toBeCloseTo(10 + 2 - 6, 6);
    expect(purseAt(fleet(0, { left: 47.9, atMs: now - 3_600_000 })).left).toBe(48);
  });

  it('forbids growth that it does not carry for a quarter of an hour', () => {
    const { decisions } = decide(fleet(0, { left: 2, atMs: now }));
    expect(decisions[0]).toMatchObject({ target: 4, alarms: ['money-budget'] });
  });

  it('lowers a pool to its minimum when it is spent', () => {
    expect(decide(fleet(6, { left: 0, atMs: now })).decisions[0]).toMatchObject({
      target: 1,
      alarms: ['money-budget'],
    });
  });

  it('is kept over days of demand without end', () => {
    let replicas = 0;
    let purse: Purse | undefined;
    let memory = {};
    let spent = 0;
    for (let at = now; at < now + 3 * 86_400_000; at += 60_000) {
      const state = fleet(replicas, purse);
      const base = state.pools[0];
      if (base === undefined) throw new Error('no pool');
      const units = Array.from({ length: replicas }, (_, ordinal): Unit => {
        const idle = { name: `u${ordinal}`, busy: 0, remaining: 0, ordinal, createdAtMs: at, readyAtMs: 1 };
        return { ...idle, phase: 'ready' };
      });
      const signals = {
        ...base.signals,
        atMs: at,
        waiting: 100,
        active: 0,
        arrivedTotal: 0,
        finishedTotal: 0,
        oldestWaitMs: 0,
      };
      const outcome = decide({ ...state, nowMs: at, pools: [{ ...base, units: tableOf(units), signals, ...memory }] });
      purse = outcome.purse;
      const kept = outcome.decisions[0]?.memory;
      memory = kept === undefined ? {} : { memory: kept };
      replicas = outcome.decisions[0]?.target ?? 0;
      spent += (replicas * policy.costPerUnitHour) / 60;
    }
    expect(spent).toBeLessThan(48 * 4 + 1);
    expect(spent).toBeGreaterThan(48 * 3);
  });
});
