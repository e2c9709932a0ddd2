import { describe, expect, it } from '@jest/globals';
import { plainPolicy } from '../../../../test/support/toy-pool.ts';
import type { PoolPolicy } from './state.ts';
import { tableOf, type Unit } from './unit-table.ts';
import { censusOf, reconcile } from './units.ts';

const now = 1_000_000;

function unit(ordinal: number, phase: Unit['phase'], busy = 0, remaining = busy): Unit {
  const common = { name: `u${ordinal}`, phase, busy, remaining, ordinal, createdAtMs: 0 };
  return phase === 'draining' ? { ...common, readyAtMs: 1, drainingSinceMs: now - 60_000 } : common;
}

function actionsFor(units: Unit[], target: number, more: { policy?: Partial<PoolPolicy>; replicas?: number } = {}) {
  const policy = { ...plainPolicy, ...more.policy };
  const pool = { policy, replicas: more.replicas ?? units.length, units: tableOf(units) };
  return reconcile(pool, censusOf(pool), target, now);
}

const pool = 'agents';

describe('reconcile', () => {
  it('brings back what drains, most work first, before it asks for a new unit', () => {
    const units = [unit(0, 'ready', 4), unit(1, 'draining', 1), unit(2, 'draining', 3)];
    expect(actionsFor(units, 2)).toEqual([{ kind: 'undrain', pool, unit: 'u2' }]);
    expect(actionsFor(units, 4)).toEqual([
      { kind: 'undrain', pool, unit: 'u1' },
      { kind: 'undrain', pool, unit: 'u2' },
      { kind: 'scale', pool, from: 3, to: 4, retire: [] },
    ]);
  });

  it('counts what is on its way or asked for and not there yet', () => {
    expect(actionsFor([unit(0, 'ready', 4), unit(1, 'starting')], 3, { replicas: 3 })).toEqual([]);
  });

  it('takes back what is on its way before it drains what works', () => {
    const units = [unit(0, 'ready', 4), unit(1, 'ready', 4), unit(2, 'starting')];
    expect(actionsFor(units, 1)).toEqual([
      { kind: 'drain', pool, unit: 'u1' },
      { kind: 'scale', pool, from: 3, to: 2, retire: [] },
    ]);
  });

  it('drains those with the fewest jobs, and of those the one that is done first', () => {
    const units = [unit(0, 'ready', 2, 50), unit(1, 'ready', 1, 90), unit(2, 'ready', 1, 40), unit(3, 'ready', 4)];
    expect(
      actionsFor(units, 2)
        .map((action) => action.kind === 'drain' && action.unit)
        .sort(),
    ).toEqual(['u1', 'u2']);
  });

  it('removes only drained units that hold nothing, and marks them', () => {
    const units = [unit(0, 'ready', 4), unit(1, 'draining', 1), unit(2, 'draining', 0)];
    expect(actionsFor(units, 1)).toEqual([{ kind: 'scale', pool, from: 3, to: 2, retire: ['u2'] }]);
  });

  it('asks a set that is slow to remove units for nothing twice, and keeps it from those that are taken back', () => {
    const units = [unit(0, 'ready', 4), unit(1, 'draining'), unit(2, 'draining'), unit(3, 'draining')];
    expect(actionsFor(units, 1, { replicas: 1 })).toEqual([]);
    expect(actionsFor([unit(0, 'ready', 4), unit(1, 'starting'), unit(2, 'starting')], 1, { replicas: 1 })).toEqual([]);
    const back = actionsFor(units, 3, { replicas: 1 });
    expect(back.filter(({ kind }) => kind === 'undrain')).toHaveLength(2);
    expect(back.at(-1)).toEqual({ kind: 'scale', pool, from: 1, to: 3, retire: [expect.any(String)] });
    expect(actionsFor(units, 6, { replicas: 1 }).at(-1)).toEqual({ kind: 'scale', pool, from: 1, to: 6, retire: [] });
  });

  it('does not take the pods that a rollout has beside the others for its own, nor asks for them', () => {
    const units = [unit(0, 'ready', 4), unit(1, 'ready', 4), unit(2, 'starting')];
    expect(actionsFor(units, 2, { replicas: 2 })).toEqual([]);
    const ready = [unit(0, 'ready', 4), unit(1, 'ready', 4), unit(2, 'ready')];
    expect(actionsFor(ready, 2, { replicas: 2 })).toEqual([{ kind: 'drain', pool, unit: 'u2' }]);
  });

  it('removes nothing while another is on its way, which the set would take instead', () => {
    const units = [unit(0, 'starting'), unit(1, 'draining', 0), unit(2, 'ready', 1)];
    expect(actionsFor(units, 2, { policy: { victims: 'last' } })).toEqual([{ kind: 'undrain', pool, unit: 'u1' }]);
    expect(actionsFor([unit(0, 'starting'), unit(1, 'draining', 0)], 0, { policy: { victims: 'last' } })).toEqual([]);
  });

  it('drains an ordered set from its end, and removes only what is above all that work', () => {
    const ordered = { policy: { victims: 'last' as const } };
    const units = [unit(0, 'ready', 0), unit(1, 'ready', 4), unit(2, 'ready', 4)];
    expect(actionsFor(units, 2, ordered)).toEqual([{ kind: 'drain', pool, unit: 'u2' }]);
    const below = [unit(0, 'ready', 1), unit(1, 'draining', 0), unit(2, 'draining', 1)];
    expect(actionsFor(below, 1, ordered)).toEqual([]);
    const above = [unit(0, 'ready', 1), unit(1, 'draining', 1), unit(2, 'draining', 0)];
    expect(actionsFor(above, 1, ordered)).toEqual([{ kind: 'scale', pool, from: 3, to: 2, retire: ['u2'] }]);
  });

  it('ends what drains for too long with what it holds', () => {
    const units = [unit(0, 'ready'), unit(1, 'draining', 1)];
    expect(actionsFor(units, 1)).toEqual([]);
    expect(actionsFor(units, 1, { policy: { drainLimitMs: 30_000 } })).toEqual([
      { kind: 'scale', pool, from: 2, to: 1, retire: ['u1'] },
    ]);
  });

  describe('of units that are objects of their own', () => {
    const own = { policy: { victims: 'named' as const, drainLimitMs: Number.POSITIVE_INFINITY } };
    const starting = (ordinal: number, createdAtMs: number, partial = false): Unit => {
      return { ...unit(ordinal, 'starting'), createdAtMs, partial };
    };

    it('takes back by name the youngest that is on its way, and lets those go that hold nothing, both at once', () => {
      const units = [unit(0, 'ready', 4), unit(1, 'ready', 4), starting(2, 900), starting(3, 500)];
      const more = [...units, unit(4, 'draining', 0)];
      expect(actionsFor(units, 3, own)).toEqual([{ kind: 'scale', pool, from: 4, to: 3, retire: ['u2'] }]);
      expect(actionsFor(more, 2, own)).toEqual([{ kind: 'scale', pool, from: 5, to: 2, retire: ['u2', 'u3', 'u4'] }]);
    });

    it('drains the one with the least to lose, and ends none with work in it however long it drains', () => {
      const units = [unit(0, 'ready', 2, 900), unit(1, 'ready', 2, 50), unit(2, 'ready', 7), unit(3, 'draining', 1)];
      expect(actionsFor(units, 2, own)).toEqual([{ kind: 'drain', pool, unit: 'u1' }]);
    });

    it('makes a group whole of which a part is asked for, unless it goes', () => {
      const units = [unit(0, 'ready', 2), starting(1, 500, true), starting(2, 900, true)];
      expect(actionsFor(units, 2, own)).toEqual([
        { kind: 'mend', pool, unit: 'u1' },
        { kind: 'scale', pool, from: 3, to: 2, retire: ['u2'] },
      ]);
      expect(actionsFor(units, 4, own)).toEqual([
        { kind: 'mend', pool, unit: 'u1' },
        { kind: 'mend', pool, unit: 'u2' },
        { kind: 'scale', pool, from: 3, to: 4, retire: [] },
      ]);
    });
  });
});
