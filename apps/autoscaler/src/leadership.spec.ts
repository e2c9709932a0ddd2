import { describe, expect, it } from '@jest/globals';
import type { Cluster } from './cluster/cluster.ts';
import { LeadLost, leadTimes, whileLeading } from './leadership.ts';

const target = { kind: 'Deployment', name: 'agents' } as const;

describe('a cluster in the hands of a leader', () => {
  /** A cluster that notes what it was asked for, and a lead that a test ends. */
  function hands() {
    const asked: string[] = [];
    const note =
      <T>(what: string, answer: T) =>
      async () => {
        asked.push(what);
        return answer;
      };
    const cluster: Cluster = {
      read: note('read', { replicas: 1, version: '1', pods: [] }),
      otherOwners: note('otherOwners', () => undefined),
      readLease: note('readLease', undefined),
      writeLease: note('writeLease', undefined),
      writeScale: note('writeScale', undefined),
      setCost: note('setCost', undefined),
      setDrainStart: note('setDrainStart', undefined),
    };
    const leadership = { leads: true };
    return { asked, leadership, guarded: whileLeading(cluster, leadership) };
  }

  const changes: readonly [string, (cluster: Cluster) => Promise<void>][] = [
    ['writeScale', async (cluster) => await cluster.writeScale(target, 2, '1')],
    ['setCost', async (cluster) => await cluster.setCost('agents-1', -1)],
    ['setDrainStart', async (cluster) => await cluster.setDrainStart('group-0', 1)],
  ];

  it.each(changes)('is changed while the lead lasts, and not after: %s', async (name, change) => {
    const { asked, leadership, guarded } = hands();
    await change(guarded);
    leadership.leads = false;
    await expect(change(guarded)).rejects.toThrow(LeadLost);
    expect(asked).toEqual([name]);
  });

  it('is read, and its Lease written, also without the lead', async () => {
    const { asked, leadership, guarded } = hands();
    leadership.leads = false;
    await guarded.read(target);
    await guarded.otherOwners();
    await guarded.readLease('scaler');
    await guarded.writeLease('scaler', { holder: 'a', durationMs: 1, renewedAt: '' }, undefined);
    expect(asked).toEqual(['read', 'otherOwners', 'readLease', 'writeLease']);
  });
});

describe('the times of a lead', () => {
  it.each([3_000, 30_000])(
    'leave room for an answer between the end of one and the beginning of another: %i ms',
    (ms) => {
      const { durationMs, limitMs, renewMs, answerMs } = leadTimes(ms);
      expect(limitMs + answerMs).toBeLessThanOrEqual(durationMs);
      expect(3 * renewMs).toBeLessThanOrEqual(limitMs);
    },
  );
});
