/** A tiny random model, tokens with routes through it, and groups over it, for the tests of expert parallelism. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { ExpertGroup, type ExpertStore, type GroupSettings, LocalShard, ResidentExperts, type Shard } from '#inference';
import {
  Checkpoint,
  type Experts,
  localExperts,
  type Placement,
  type PlacementLimits,
  placementOf,
  plainBackend,
  planPlacement,
  type Routing,
  tinyShape,
  writeRandomCheckpoint,
} from '#moe';

const silent = { log: () => undefined };
export const never = new AbortController().signal;

/** Chances that are the same each time: SplitMix32. */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let bits = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** What a layer is given. */
export interface LayerInput {
  readonly x: Float32Array;
  readonly routing: Routing;
}

/** Tokens of the tiny model and their experts, drawn from the first `experts` of them. */
export function layerInput(tokens: number, seed: number, experts: number = tinyShape.experts): LayerInput {
  const { hidden, topK } = tinyShape;
  const chance = dice(seed);
  const ids = new Uint16Array(tokens * topK);
  const weights = new Float32Array(tokens * topK);
  for (let token = 0; token < tokens; token++) {
    const pool = Array.from({ length: experts }, (_, id) => id);
    for (let rank = 0; rank < topK; rank++) {
      const [id = 0] = pool.splice(Math.floor(chance() * pool.length), 1);
      ids[token * topK + rank] = id;
      weights[token * topK + rank] = (topK - rank) / 10 + chance() / 20;
    }
  }
  return {
    x: Float32Array.from({ length: tokens * hidden }, () => chance() * 4 - 2),
    routing: { tokens, topK, ids, weights },
  };
}

const { layers, experts, hidden, expertWidth } = tinyShape;

export const expertBytes = 3 * hidden * expertWidth * 4;

export const roomy: PlacementLimits = { minReplicas: 1, redundant: 0, expertBytes, shardBytes: 2 ** 30 };

export const exact: GroupSettings = {
  mode: 'deterministic',
  format: 'f32',
  limits: roomy,
  replanSteps: 1_000_000,
  patienceMs: 20_000,
  blockBytes: 2 ** 20,
  arithmetic: plainBackend().arithmetic,
};

const shardsOf = (count: number) => Array.from({ length: count }, (_, shard) => shard);

/** Ways to place the tiny model's experts on some shards. */
export const placements: Readonly<Record<string, (shards: number) => Placement>> = {
  linear: (shards) => placementOf(tinyShape, (_, expert) => [Math.floor((expert * shards) / experts)]),
  'round robin': (shards) => placementOf(tinyShape, (_, expert) => [expert % shards]),
  planned: (shards) => {
    const load = Float64Array.from({ length: layers * experts }, (_, at) => 1 / (1 + ((at * 7) % experts)));
    return planPlacement({ layers, experts, load }, shardsOf(shards), { ...roomy, redundant: 4 });
  },
  'random with replicas': (shards) => {
    const chance = dice(shards);
    return placementOf(tinyShape, () => {
      const homes = shardsOf(shards).filter(() => chance() < 0.4);
      return homes.length > 0 ? homes : [Math.floor(chance() * shards)];
    });
  },
};

export interface TinyModel {
  /** Where its checkpoint is. */
  folder(): string;
  checkpoint(): Checkpoint;
  /** All experts in one place, without any group. */
  plain(): Experts;
  localShards(count: number): LocalShard[];
  /** A group that is closed after all tests. */
  group(
    shards: readonly Shard[],
    settings?: Partial<GroupSettings>,
    first?: Placement,
    store?: ExpertStore,
  ): Promise<ExpertGroup>;
}

/** To be called where the tests of a file are registered. */
export function useTinyModel(): TinyModel {
  let folder = '';
  let checkpoint: Checkpoint;
  let plain: Experts;
  const groups: ExpertGroup[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'argosy-experts-'));
    await writeRandomCheckpoint(folder, tinyShape, 7);
    checkpoint = await Checkpoint.open(folder);
    plain = await localExperts(checkpoint, plainBackend());
  });
  afterAll(async () => {
    await Promise.all(groups.map((group) => group.close()));
    await checkpoint.close();
    await rm(folder, { recursive: true });
  });
  return {
    folder: () => folder,
    checkpoint: () => checkpoint,
    plain: () => plain,
    localShards: (count) =>
      shardsOf(count).map((shard) => new LocalShard(`local-${shard}`, () => residentExperts(checkpoint))),
    async group(shards, settings = {}, first = undefined, store = checkpoint) {
      const around = { settings: { ...exact, ...settings }, logger: silent, ...(first && { first }) };
      const group = await ExpertGroup.start(shards, store, around);
      groups.push(group);
      return group;
    },
  };
}

export function residentExperts(store: ExpertStore, maxBytes = 2 ** 30): ResidentExperts {
  return new ResidentExperts(store, plainBackend(), maxBytes);
}

/** How far `got` is from `wanted`, relative to the size of the whole. */
export function relativeError(got: Float32Array, wanted: Float32Array): number {
  let difference = 0;
  let size = 0;
  for (const [at, value] of wanted.entries()) {
    difference += ((got[at] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}
