import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseGroup, type GroupLoad, type GroupView, type SessionHome, type TurnToPlace } from './choice.ts';
import { byRendezvous } from './rendezvous.ts';

const loadOf = (reservedTokens: number | null, backlogTokens: number | null = 0): GroupLoad => {
  return { reservedTokens, totalTokens: 1_000_000, backlogTokens };
};
const open = (name: string, load: GroupLoad | null = loadOf(0)): GroupView => ({ name, state: 'open', load });
const turnOf = (changes: Partial<TurnToPlace> = {}): TurnToPlace => {
  return { session: 's', promptTokens: 10_000, wantedTokens: 80_000, overlaps: new Map(), home: null, ...changes };
};
const at = (group: string, ageMs = 60_000): SessionHome => ({ group, epoch: 1, ageMs });

describe('the home of a new session', () => {
  it('is the group that has seen most of its prompt, if that is worth anything', () => {
    const groups = [open('a', loadOf(0)), open('b', loadOf(500_000)), open('c', loadOf(500_000))];
    const overlaps = new Map([
      ['b', 4_000],
      ['c', 3_000],
    ]);
    expect(chooseGroup(turnOf({ overlaps }), groups)).toEqual({ group: 'b', by: 'prefix', left: null });
    expect(chooseGroup(turnOf({ overlaps: new Map([['b', 900]]) }), groups)?.group).toBe('a');
  });

  it('is the one with the least reserved, of those that have room for it', () => {
    const groups = [open('a', loadOf(300_000)), open('b', loadOf(200_000)), open('c', loadOf(990_000))];
    expect(chooseGroup(turnOf(), groups)).toEqual({ group: 'b', by: 'room', left: null });
    const overlaps = new Map([['c', 9_000]]);
    expect(chooseGroup(turnOf({ overlaps }), groups)?.group).toBe('b');
  });

  it('is one of unknown load only where none is known to have room: unknown is not empty, and not full', () => {
    for (const unknown of [null, loadOf(null, null)]) {
      expect(chooseGroup(turnOf(), [open('a', unknown), open('b', loadOf(900_000))])?.group).toBe('b');
      expect(chooseGroup(turnOf(), [open('a', unknown), open('b', loadOf(999_000))])?.group).toBe('a');
    }
  });

  it('is chosen by the hash where the directory cannot be asked, or nothing is known', () => {
    const groups = ['a', 'b', 'c'].map((name) => open(name, name === 'a' ? loadOf(0) : loadOf(500_000)));
    const [first = ''] = byRendezvous('s', ['a', 'b', 'c']);
    const choice = chooseGroup(turnOf({ home: 'unknown' }), groups);
    expect(choice).toEqual({ group: first, by: 'hash', left: null });
    const dark = ['a', 'b', 'c'].map((name) => open(name, null));
    expect(chooseGroup(turnOf(), dark)).toEqual({ group: first, by: 'hash', left: null });
  });

  it('is never one that refused, and nowhere when all did', () => {
    const refuses = (name: string): GroupView => ({ name, state: 'refuses', load: null });
    expect(chooseGroup(turnOf(), [refuses('a'), open('b', loadOf(999_999))])?.group).toBe('b');
    expect(chooseGroup(turnOf({ home: at('a') }), [refuses('a'), refuses('b')])).toBeNull();
  });
});

describe('a session that has a home', () => {
  it('stays, however much fuller it is than others', () => {
    const groups = [open('a', loadOf(1_200_000, 12_000)), open('b')];
    expect(chooseGroup(turnOf({ home: at('a') }), groups)).toEqual({ group: 'a', by: 'home', left: null });
  });

  it.each([
    ['gone', [{ ...open('a'), state: 'gone' as const }]],
    ['draining', [{ ...open('a'), state: 'draining' as const }]],
    ['refuses', [{ ...open('a'), state: 'refuses' as const }]],
    ['missing', []],
  ] as const)('leaves one that is %s', (left, first) => {
    const groups = [...first, open('b')];
    expect(chooseGroup(turnOf({ home: at('a') }), groups)).toEqual({ group: 'b', by: 'room', left });
  });

  it('leaves one where it would wait for longer than twice what computing it anew takes, and not when it has just come', () => {
    const groups = [open('a', loadOf(0, 21_000)), open('b', loadOf(0, 500)), open('c', loadOf(0, 400))];
    expect(chooseGroup(turnOf({ home: at('a') }), groups)).toEqual({ group: 'c', by: 'room', left: 'slow' });
    expect(chooseGroup(turnOf({ home: at('a', 5_000) }), groups)?.group).toBe('a');
    const less = [open('a', loadOf(0, 20_000)), ...groups.slice(1)];
    expect(chooseGroup(turnOf({ home: at('a') }), less)?.group).toBe('a');
    // Nobody knows how long it would wait there.
    expect(chooseGroup(turnOf({ home: at('a') }), [open('a', loadOf(0, 1e9)), open('b', null)])?.group).toBe('a');
  });

  it('stays at one that drains, or may be back, when there is no other', () => {
    for (const state of ['draining', 'gone'] as const) {
      const groups: GroupView[] = [
        { ...open('a'), state },
        { ...open('b'), state: 'gone' },
      ];
      expect(chooseGroup(turnOf({ home: at('a') }), groups)).toEqual({ group: 'a', by: 'home', left: null });
    }
  });
});

const loads = fc.option(
  fc.record({
    reservedTokens: fc.option(fc.nat(1_200_000)),
    totalTokens: fc.constant(1_000_000),
    backlogTokens: fc.option(fc.nat(2_000_000)),
  }),
);

describe('whatever the loads', () => {
  it('a session that moved does not move back while they stay as they are', () => {
    fc.assert(
      fc.property(
        fc.array(loads, { minLength: 2, maxLength: 8 }),
        fc.nat(100_000),
        fc.nat(),
        (some, promptTokens, n) => {
          const groups = some.map((load, i) => open(`g${i}`, load));
          let home = at(`g${n % groups.length}`);
          const seen: string[] = [home.group];
          for (let turn = 0; turn < 6; turn++) {
            const choice = chooseGroup(turnOf({ promptTokens, home }), groups);
            if (choice === null) throw new Error('nobody refused');
            if (choice.group !== home.group) seen.push(choice.group);
            home = at(choice.group);
          }
          expect(seen.length).toBeLessThanOrEqual(2);
        },
      ),
    );
  });

  it('the loss of a group moves its own sessions alone, with a directory and without', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 10 }), fc.nat(), fc.boolean(), (count, n, isKnown) => {
        const names = Array.from({ length: count }, (_, i) => `g${i}`);
        const lost = `g${n % count}`;
        const sessions = Array.from({ length: 40 }, (_, i) => `session ${n} ${i}`);
        const whole = names.map((name) => open(name));
        const broken = whole.map((group) => (group.name === lost ? { ...group, state: 'gone' as const } : group));
        for (const session of sessions) {
          const before = chooseGroup(turnOf({ session, home: 'unknown' }), whole)?.group ?? '';
          const home = isKnown ? at(before) : ('unknown' as const);
          const after = chooseGroup(turnOf({ session, home }), broken)?.group;
          if (before === lost) expect(after).not.toBe(lost);
          else expect(after).toBe(before);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('as many sessions come to each of N equal groups, so that the loss of one moves 1/N', () => {
    for (const count of [2, 3, 8]) {
      const reserved = new Map(Array.from({ length: count }, (_, i) => [`g${i}`, 0]));
      for (let i = 0; i < count * 12; i++) {
        const groups = [...reserved].map(([name, tokens]) => open(name, loadOf(tokens)));
        const group = chooseGroup(turnOf({ session: `s${i}` }), groups)?.group ?? '';
        reserved.set(group, (reserved.get(group) ?? 0) + 80_000);
      }
      expect([...reserved.values()]).toEqual(Array.from({ length: count }, () => 12 * 80_000));
    }
  });
});
