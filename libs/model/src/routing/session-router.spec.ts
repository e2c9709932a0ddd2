import { describe, expect, it } from '@jest/globals';
import type { SessionHome } from './choice.ts';
import { type RoutedTurn, type SessionDirectory, SessionRouter } from './session-router.ts';

/** A directory that several processes share, and that may be away. */
class Shared implements SessionDirectory {
  readonly homes = new Map<string, SessionHome>();
  isAway = false;

  async find(session: string): Promise<SessionHome | null> {
    if (this.isAway) throw new Error('away');
    return this.homes.get(session) ?? null;
  }

  async move(session: string, group: string, epoch: number): Promise<SessionHome> {
    if (this.isAway) throw new Error('away');
    const now = this.homes.get(session);
    if ((now?.epoch ?? 0) === epoch) this.homes.set(session, { group, epoch: epoch + 1, ageMs: 60_000 });
    return this.homes.get(session) ?? { group, epoch: 1, ageMs: 0 };
  }

  async forget(session: string): Promise<void> {
    this.homes.delete(session);
  }
}

const load = { reservedTokens: 0, totalTokens: 1_000_000, backlogTokens: 0, draining: false };
const turn = (session: string, refusing: readonly string[] = []): RoutedTurn => {
  return { session, lasts: true, blocks: [], promptTokens: 100, wantedTokens: 100_000, refusing: new Set(refusing) };
};

function stage(names: readonly string[], directory: SessionDirectory | null = new Shared()) {
  const clock = { at: 0, now: () => clock.at };
  const router = new SessionRouter({ groups: names, directory, clock });
  const groupOf = async (session: string, refusing: readonly string[] = []) =>
    (await router.route(turn(session, refusing)))?.group;
  return { clock, router, groupOf };
}

describe('a router of sessions', () => {
  it('spreads new sessions by what is reserved, its own placements since the last word included', async () => {
    const { router, groupOf } = stage(['a', 'b']);
    router.heard('a', load);
    router.heard('b', { ...load, reservedTokens: 250_000 });
    const homes = [];
    for (let i = 0; i < 6; i++) homes.push(await groupOf(`s${i}`));
    expect(homes.filter((home) => home === 'a')).toHaveLength(4);
    expect(homes.slice(0, 3)).toEqual(['a', 'a', 'a']);
  });

  it('keeps a session at its home over processes, and counts a word that is old as none', async () => {
    const directory = new Shared();
    const [one, other] = [stage(['a', 'b'], directory), stage(['a', 'b'], directory)];
    one.router.heard('a', load);
    expect(await one.groupOf('s')).toBe('a');
    other.router.heard('b', load);
    expect(await other.groupOf('s')).toBe('a');
    one.clock.at = 60_000;
    one.router.heard('b', { ...load, reservedTokens: 800_000 });
    // What was told of `a` a minute ago says nothing; of `b` it is known that there is room.
    expect(await one.groupOf('new')).toBe('b');
  });

  it('has two turns that begin at once come to one home', async () => {
    const directory = new Shared();
    const [one, other] = [stage(['a', 'b'], directory), stage(['a', 'b'], directory)];
    one.router.heard('a', load);
    other.router.heard('b', load);
    const homes = await Promise.all([one.groupOf('s'), other.groupOf('s')]);
    expect(new Set(homes).size).toBe(1);
    expect(directory.homes.get('s')?.epoch).toBe(1);
  });

  it('moves a session once when its home is lost, whoever sees it first, and not back when that returns', async () => {
    const directory = new Shared();
    const [one, other] = [stage(['a', 'b'], directory), stage(['a', 'b'], directory)];
    one.router.heard('a', load);
    expect(await one.groupOf('s')).toBe('a');
    one.router.failed('a');
    expect(await one.groupOf('s')).toBe('b');
    // The other process has not seen it fail, and one of an older claim may still be at it.
    expect(await other.groupOf('s')).toBe('b');
    one.router.heard('a', load);
    expect([await one.groupOf('s'), await other.groupOf('s')]).toEqual(['b', 'b']);
    expect(directory.homes.get('s')?.epoch).toBe(2);
  });

  it('mends a directory that names a group which is none, or one that denies the session', async () => {
    const directory = new Shared();
    directory.homes.set('s', { group: 'elsewhere:1', epoch: 7, ageMs: 60_000 });
    const { router, groupOf } = stage(['a', 'b'], directory);
    router.heard('a', load);
    expect(await router.route(turn('s'))).toEqual({ group: 'a', by: 'room', left: 'missing', from: null });
    expect(directory.homes.get('s')).toMatchObject({ group: 'a', epoch: 8 });
    expect(await router.route(turn('s', ['a']))).toMatchObject({ group: 'b', left: 'refuses', from: 'a' });
    expect(directory.homes.get('s')).toMatchObject({ group: 'b', epoch: 9 });
    expect(await groupOf('s', ['a', 'b'])).toBeUndefined();
  });

  it('goes on without the directory: known sessions stay, others go where everybody would send them', async () => {
    const directory = new Shared();
    const [one, other] = [stage(['a', 'b', 'c'], directory), stage(['a', 'b', 'c'], directory)];
    for (const name of ['a', 'b', 'c']) one.router.heard(name, load);
    const sessions = Array.from({ length: 12 }, (_, i) => `s${i}`);
    const before = [];
    for (const session of sessions) before.push(await one.groupOf(session));
    directory.isAway = true;
    const during = [];
    for (const session of sessions) during.push(await one.groupOf(session));
    expect(during).toEqual(before);
    expect(await one.groupOf('new')).toBe(await other.groupOf('new'));
  });

  it('leaves a group that failed alone for a while, each time for longer, and takes it back at its first word', async () => {
    const { clock, router, groupOf } = stage(['a', 'b']);
    router.heard('b', { ...load, reservedTokens: 900_000 });
    const isTaken = async () => (await groupOf(`new ${clock.at}`, ['b'])) === 'a' && (await openFor(router)) === 'a';
    const openFor = async (of: SessionRouter) => {
      of.heard('b', { ...load, draining: true });
      return (await of.route(turn(`other ${clock.at}`)))?.group;
    };
    router.failed('a');
    clock.at = 999;
    expect(await openFor(router)).toBe('b');
    clock.at = 1_001;
    expect(await isTaken()).toBe(true);
    router.failed('a');
    clock.at = 3_000;
    expect(await openFor(router)).toBe('b');
    router.heard('a', load);
    expect(await isTaken()).toBe(true);
  });

  it('tells where a session that is over was, and forgets it', async () => {
    const directory = new Shared();
    const { router, groupOf } = stage(['a', 'b'], directory);
    router.heard('b', load);
    expect(await groupOf('s')).toBe('b');
    expect(await router.end('s')).toBe('b');
    expect([await router.end('s'), directory.homes.size]).toEqual([null, 0]);
  });
});
