import { expect, it } from '@jest/globals';
import { SlowShards } from './slow-shards.ts';

it('lets a shard that was late rest, longer each time, and forgets it once it is in time', () => {
  const slow = new SlowShards();
  expect(slow.rests(1, 0)).toBe(false);
  slow.late(1, 0);
  slow.late(1, 10);
  expect([slow.rests(1, 999), slow.rests(1, 1_000), slow.rests(0, 10)]).toEqual([true, false, false]);
  slow.late(1, 1_000);
  expect([slow.rests(1, 2_999), slow.rests(1, 3_000)]).toEqual([true, false]);
  for (let nowMs = 3_000; nowMs < 10_000_000; nowMs += 100_000) slow.late(1, nowMs);
  slow.late(1, 10_000_000);
  expect([slow.rests(1, 10_029_999), slow.rests(1, 10_030_000)]).toEqual([true, false]);
  slow.inTime(1);
  slow.late(1, 20_000_000);
  expect(slow.rests(1, 20_001_000)).toBe(false);
});
