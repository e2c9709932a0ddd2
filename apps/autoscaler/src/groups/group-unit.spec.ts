import { describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { demandOf, type GroupView, isSilent, unitOf } from './group-unit.ts';

const now = 1_000_000;
const pod = (ordinal: number, readyAtMs?: number) => {
  const ready = readyAtMs === undefined ? {} : { readyAtMs };
  return { name: `group-0-${ordinal}`, createdAtMs: 1_000, leaving: false, cost: 0, ...ready };
};
const load = (known: Partial<inference.WatchLoadResponse>, atMs = 0) => {
  return { load: inference.WatchLoadResponse.fromPartial(known), atMs };
};

function group(given: Partial<GroupView> = {}, replicas = 2): GroupView {
  const view = { replicas, version: '1', pods: [pod(0, 5_000), pod(1, 4_000)] };
  return { name: 'group-0', ordinal: 0, size: 2, view, heard: load({}), ...given };
}

const starting = { replicas: 2, version: '1', pods: [pod(0), pod(1, 4_000)] };

describe('a group as a unit', () => {
  it('serves by its coordinator, has what it tells, and is what its pods and size say', () => {
    const heard = load({ residentSessions: 3, running: 2, waiting: 2, kvUsedTokens: 900 });
    expect(unitOf(group({ heard }), now)).toMatchObject({
      ...{ phase: 'ready', busy: 4, remaining: 900, partial: false, createdAtMs: 1_000, readyAtMs: 5_000 },
    });
    expect(unitOf(group({ view: starting, heard: undefined }), now)).toMatchObject({ phase: 'starting' });
    expect(unitOf(group({}, 1), now)).toMatchObject({ phase: 'ready', partial: true });
    expect(unitOf(group({}, 0), now)).toMatchObject({ phase: 'leaving' });
    expect(unitOf(group({ view: { replicas: 0, version: '1', pods: [] } }), now)).toBeUndefined();
  });

  it('is not taken for one that starts while it has sessions, or before it was heard', () => {
    expect(unitOf(group({ view: starting, heard: load({ residentSessions: 1 }) }), now)).toMatchObject({
      phase: 'ready',
    });
    expect(unitOf(group({ heard: undefined }), now)).toMatchObject({ phase: 'ready', busy: 0 });
  });

  it('holds its sessions until its time to drain is over, and then its replies alone', () => {
    const heard = load({ draining: true, residentSessions: 3 });
    const draining = { residentSessions: 3, running: 1, sinceMs: 9, isOver: false };
    expect(unitOf(group({ heard, draining }), now)).toMatchObject({ phase: 'draining', busy: 3, drainingSinceMs: 9 });
    expect(unitOf(group({ heard, draining: { ...draining, isOver: true } }), now)).toMatchObject({ busy: 1 });
    const quiet = { ...draining, isOver: true, running: 0 };
    expect(unitOf(group({ heard, draining: quiet }), now)).toMatchObject({ busy: 0 });
    expect(unitOf(group({ heard: load({ draining: true }) }), now)).toMatchObject({ busy: 1 });
  });

  it('needs as many slots as it has sessions, or as the tokens reserved for them are of all', () => {
    expect(demandOf(group({ heard: load({ residentSessions: 3 }) }), 16)).toBe(3);
    expect(demandOf(group({ heard: load({ residentSessions: 3, reservedTokens: 75, kvTotalTokens: 100 }) }), 16)).toBe(
      12,
    );
    expect(demandOf(group({ heard: undefined }), 16)).toBe(0);
  });

  it('is silent when it told nothing lately, and not while it starts or is gone', () => {
    expect(isSilent(group({ heard: load({}, 1_000) }), now, 31_000)).toBe(false);
    expect(isSilent(group({ heard: load({}, 1_000) }), now, 31_001)).toBe(true);
    expect(isSilent(group({ heard: undefined }), 35_000, 0)).toBe(false);
    expect(isSilent(group({ heard: undefined }), 35_001, 0)).toBe(true);
    expect(isSilent(group({ heard: undefined, view: starting }), now, 0)).toBe(false);
    expect(isSilent(group({ heard: undefined }, 0), now, 0)).toBe(false);
  });
});
