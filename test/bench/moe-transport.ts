import {
  ExpertGroup,
  type ExpertStore,
  type GroupSettings,
  LocalShard,
  RemoteShard,
  ResidentExperts,
} from '#inference';
import { type ComputeBackend, plainBackend, type Routing } from '#moe';
import { echoTimes } from './moe-control.ts';
import { ShardProcesses } from './moe-processes.ts';
import { percentile, type Row, round } from './result.ts';

/** Of the 30B model. */
const shape = { hidden: 2048, experts: 128, topK: 8, layers: 48 };

/** Experts without weights: what is measured here is the way to them and back. */
export const transportStore: ExpertStore = {
  config: { hidden: shape.hidden, experts: shape.experts, sparse: [true] },
  expert: async () => ({ gate: new Float32Array(), up: new Float32Array(), down: new Float32Array() }),
  expertSha256: async () => new Uint8Array(32),
};

/** Answers each row with itself, at once. */
export function echoBackend(): ComputeBackend {
  return { ...plainBackend(), name: 'echo', runExpert: async (_, x) => x };
}

const ways = ['unix', 'tcp', 'in process'] as const;
const settings: GroupSettings = {
  mode: 'reduced',
  format: 'bf16',
  limits: { minReplicas: 1, redundant: 0, expertBytes: 1, shardBytes: 2 ** 30 },
  replanSteps: 1_000_000,
  patienceMs: 30_000,
  blockBytes: 2 ** 20,
  arithmetic: plainBackend().arithmetic,
};
const never = new AbortController().signal;
/**
 * Layers that are run before any is timed, and those that are. A coordinator serves for days: what its first thousand
 * layers cost, before the code is compiled, is not what is asked here. Few tokens warm it up, so that many do not take minutes.
 */
const rounds = { before: 4_000, beforeMany: 96, timed: 240 };

/** The way of one layer's tokens to the shards and back: dispatch, wires, combine, and a shard that does nothing. */
export async function transportRows(say: (line: string) => void): Promise<Row[]> {
  const rows: Row[] = [];
  for (const way of ways) {
    for (const shards of [1, 2, 4]) {
      say(`transport: ${shards} shards, ${way}`);
      rows.push(...(await rowsOf(way, shards)));
    }
  }
  return rows;
}

async function rowsOf(way: (typeof ways)[number], shards: number): Promise<Row[]> {
  const processes = way === 'in process' ? null : await ShardProcesses.start('transport', shards, way);
  const local = (shard: number) =>
    new LocalShard(`local-${shard}`, () => new ResidentExperts(transportStore, echoBackend(), 2 ** 30));
  const members = processes?.addresses.map((address) => new RemoteShard(address)) ?? numbers(shards).map(local);
  const logger = { log: () => undefined };
  try {
    const group = await ExpertGroup.start(members, transportStore, { settings, logger });
    const rows: Row[] = [];
    await timesOf(group, 1, rounds.before);
    for (const tokens of [1, 8, 64])
      rows.push({ what: 'transport', way, shards, tokens, ...(await timesOf(group, tokens, rounds.beforeMany)) });
    await group.close();
    if (way !== 'in process') rows.push(await controlRow(way, shards));
    return rows;
  } finally {
    await processes?.stop();
  }
}

/** The same bytes, one token's, to as many bare servers and back. */
async function controlRow(way: 'unix' | 'tcp', shards: number): Promise<Row> {
  const processes = await ShardProcesses.start('echo', shards, way);
  try {
    const times = await echoTimes(processes.addresses, shape.hidden * 2 + 60, rounds.before + rounds.timed);
    const timed = times.slice(rounds.before);
    const [p50, p99] = [percentile(timed, 0.5), percentile(timed, 0.99)];
    return { what: 'bare stream', way, shards, tokens: 1, layer_p50_ms: round(p50, 3), layer_p99_ms: round(p99, 3) };
  } finally {
    await processes.stop();
  }
}

async function timesOf(group: ExpertGroup, tokens: number, before: number): Promise<Row> {
  const x = new Float32Array(tokens * shape.hidden).fill(0.5);
  const routings = numbers(16).map((seed) => routingOf(tokens, seed));
  const layer: number[] = [];
  for (let round = 0; round < before + rounds.timed; round++) {
    const routing = routings[round % routings.length];
    if (routing === undefined) continue;
    const startedAt = performance.now();
    await group.apply(0, x, routing, never);
    if (round >= before) layer.push(performance.now() - startedAt);
  }
  const steps = Array.from({ length: Math.floor(layer.length / shape.layers) }, (_, step) =>
    layer.slice(step * shape.layers, (step + 1) * shape.layers).reduce((sum, one) => sum + one, 0),
  );
  return {
    layer_p50_ms: round(percentile(layer, 0.5), 3),
    layer_p99_ms: round(percentile(layer, 0.99), 3),
    step_of_48_p50_ms: round(percentile(steps, 0.5), 1),
    step_of_48_p99_ms: round(percentile(steps, 0.99), 1),
  };
}

/** Each token's experts drawn evenly. */
function routingOf(tokens: number, seed: number): Routing {
  const ids = new Uint16Array(tokens * shape.topK);
  for (let token = 0; token < tokens; token++) {
    const chosen = new Set<number>();
    for (let draw = 1; chosen.size < shape.topK; draw++) {
      const mixed = Math.imul((token + 1) * 31 + seed * 977 + draw * 7919, 0x9e3779b1) >>> 0;
      chosen.add((mixed >>> 8) % shape.experts);
    }
    ids.set([...chosen], token * shape.topK);
  }
  return { tokens, topK: shape.topK, ids, weights: new Float32Array(ids.length).fill(1 / shape.topK) };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}
