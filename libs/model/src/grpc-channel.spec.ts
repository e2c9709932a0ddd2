/** One group that plays what it is told, over real gRPC. */
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeGroups, type DrainCall, groupThat } from '../../../test/support/playing-group.ts';
import { GrpcGroup } from './grpc-channel.ts';

const groups: GrpcGroup[] = [];
afterEach(() => {
  for (const group of groups.splice(0)) group.close();
  closeGroups();
});

/** The client of a group that answers so when it is told to drain. */
async function drainedBy(drain?: (call: DrainCall) => void): Promise<GrpcGroup> {
  const playing = await groupThat(() => undefined);
  if (drain !== undefined) playing.drain = drain;
  const group = new GrpcGroup(playing.address, null);
  groups.push(group);
  return group;
}

const request = { deadlineMs: 600_000, cancel: false };

describe('draining a group', () => {
  it('says how the group stands at once, and leaves the stream, which does not wait for its sessions', async () => {
    const calls: DrainCall[] = [];
    const left: Promise<unknown>[] = [];
    const group = await drainedBy((call) => {
      calls.push(call);
      left.push(once(call, 'cancelled'));
      call.write({ residentSessions: 3, running: 1, done: false });
    });
    const askedAtMs = Date.now();
    expect(await group.drain(request)).toEqual({ residentSessions: 3, running: 1, done: false });
    await Promise.all(left);
    expect(calls.map((call) => call.request)).toEqual([request]);
    // Its own deadline is that of a short call, whatever time the sessions have.
    const limitMs = Number(calls[0]?.getDeadline()) - askedAtMs;
    expect(limitMs).toBeGreaterThan(0);
    expect(limitMs).toBeLessThan(request.deadlineMs / 2);
  });

  it('passes on that it is called off', async () => {
    const asked: unknown[] = [];
    const group = await drainedBy((call) => {
      asked.push(call.request);
      call.write({ residentSessions: 2, running: 2, done: false });
      call.end();
    });
    await group.drain({ deadlineMs: 0, cancel: true });
    expect(asked).toEqual([{ deadlineMs: 0, cancel: true }]);
  });

  it('fails where the group ends without a word, cannot drain, or is gone', async () => {
    const silent = await drainedBy((call) => call.end());
    await expect(silent.drain(request)).rejects.toThrow('a group said nothing about its draining');
    const unable = await drainedBy();
    await expect(unable.drain(request)).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
    const gone = await drainedBy();
    closeGroups();
    await expect(gone.drain(request)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });
});
