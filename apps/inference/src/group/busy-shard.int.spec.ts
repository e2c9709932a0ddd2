/** A shard that computes for seconds at a time is alive, and says so. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { expert } from '#contracts/rpc';
import { Checkpoint, tinyShape, writeRandomCheckpoint } from '#moe';
import { exact, never } from '../../../../test/support/expert-group.ts';
import { useShardProcesses } from '../../../../test/support/shard-processes.ts';
import { ExpertGroup } from './expert-group.ts';
import { RemoteShard, usualRemoteLimits } from './remote-shard.ts';

const startShards = useShardProcesses();
const shape = { ...tinyShape, layers: 1, hidden: 512, expertWidth: 1024, experts: 2, topK: 2 };
const beatMs = 50;
const tokens = 160;

let folder: string;
let checkpoint: Checkpoint;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'argosy-busy-'));
  await writeRandomCheckpoint(folder, shape, 3);
  checkpoint = await Checkpoint.open(folder);
});
afterAll(async () => {
  await checkpoint.close();
  await rm(folder, { recursive: true });
});

/** Every token to both experts. */
function wideLayer() {
  const ids = Uint16Array.from({ length: tokens * 2 }, (_, at) => at % 2);
  const x = Float32Array.from({ length: tokens * shape.hidden }, (_, at) => Math.sin(at));
  return { x, routing: { tokens, topK: 2, ids, weights: new Float32Array(ids.length).fill(0.5) } };
}

/** Counts the signs of life of a shard that tell of a batch under way. */
function watchBusy(address: string): { readonly beats: () => number; readonly end: () => void } {
  const client = new expert.ExpertShardServiceClient(address, credentials.createInsecure());
  const stats = client.stats({ intervalMs: beatMs });
  let busy = 0;
  stats.on('error', () => undefined);
  stats.on('data', ({ inFlightBytes }: expert.StatsResponse) => {
    if (inFlightBytes > 0) busy += 1;
  });
  const end = (): void => {
    stats.cancel();
    client.close();
  };
  return { beats: () => busy, end };
}

it('tells its signs of life while it computes a large layer, and is not taken for lost', async () => {
  const [process] = await startShards(folder, 1);
  const address = process?.address ?? '';
  const watch = watchBusy(address);
  const shard = new RemoteShard(address, { ...usualRemoteLimits, openMs: 20_000, beatMs, missedBeats: 40 });
  const limits = { ...exact.limits, expertBytes: 3 * shape.hidden * shape.expertWidth * 4 };
  const settings = { ...exact, limits, blockBytes: 2 ** 23, patienceMs: 60_000 };
  const group = await ExpertGroup.start([shard], checkpoint, { settings, logger: { log: () => undefined } });
  try {
    const { x, routing } = wideLayer();
    await group.apply(0, x, routing, never);
    expect(group.planEpoch).toBe(1);
    // All of it is one batch. A shard that computed where it speaks would say nothing before it has answered.
    expect(watch.beats()).toBeGreaterThanOrEqual(5);
  } finally {
    watch.end();
    await group.close();
  }
}, 120_000);
