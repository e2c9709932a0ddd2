import { ArgosyError } from '#errors';
import { heldBy, type Placement, placementOf } from './placement.ts';

/** What a placement may use. */
export interface PlacementLimits {
  /** Copies of each expert, at least, on different shards: with 2 no expert is lost when one shard is. */
  readonly minReplicas: number;
  /** Copies in each layer beyond one of each expert, for the experts with the most load. */
  readonly redundant: number;
  /** Bytes of one expert's weights. */
  readonly expertBytes: number;
  /** Bytes of experts' weights that one shard may hold, over all layers. */
  readonly shardBytes: number;
}

/** The experts to be placed and what they are known to do. */
export interface ExpertDemand {
  readonly layers: number;
  readonly experts: number;
  /** [layers, experts], tokens per step or any other unit. */
  readonly load: Float64Array;
}

/** The shards have no room for the experts. More shards, more memory for each, or fewer replicas help. */
export class TooFewSlots extends ArgosyError {
  override readonly name = 'TooFewSlots';
  readonly code = 'too_few_slots';
  readonly retryable = false;
}

/**
 * Places experts by their load. In each layer the experts with the most load per copy are replicated first, then copies
 * are packed largest first onto the shard with the least load that has a slot and no copy of that expert; swaps between
 * the busiest shard and others even out what slots of equal number left uneven. Same input, same plan. Replication as in
 * DeepSeek's EPLB, without its groups of experts (Qwen3-MoE has none).
 * @param shards the numbers of the shards that live
 * @throws TooFewSlots when `minReplicas` copies of each do not fit. Cost for 48 x 128 on 4 shards: some 20 ms
 */
export function planPlacement(demand: ExpertDemand, shards: readonly number[], limits: PlacementLimits): Placement {
  const slots = slotsPerShard(demand, shards, limits);
  const copies = Math.min(copiesWanted(demand, limits), slots * shards.length);
  const packed = Array.from({ length: demand.layers }, (_, layer) => {
    const load = demand.load.subarray(layer * demand.experts, (layer + 1) * demand.experts);
    const bins = pack(copiesOf(load, copies, shards.length, limits.minReplicas), shards.length, slots);
    even(bins);
    return bins;
  });
  return placementOf(demand, (layer, expert) =>
    shards.filter((_, place) => packed[layer]?.[place]?.shares.has(expert) === true),
  );
}

/**
 * The placement after some shards are lost, with as few moves as can be: what only they held goes to the survivors that
 * have room, the most loaded expert first, each to the one with the least load.
 * @throws TooFewSlots when it does not fit
 */
export function placeOrphans(
  placement: Placement,
  demand: ExpertDemand,
  survivors: readonly number[],
  limits: PlacementLimits,
): Placement {
  const left = placementOf(demand, (layer, expert) =>
    (placement.holders[layer]?.[expert] ?? []).filter((shard) => survivors.includes(shard)),
  );
  const room = new Map(survivors.map((shard) => [shard, roomOf(left, shard, limits)]));
  const busy = new Map(survivors.map((shard) => [shard, heldLoad(left, demand, shard)]));
  const found = new Map<string, number>();
  for (const orphan of orphansOf(left, demand)) {
    const free = survivors.filter((shard) => (room.get(shard) ?? 0) > 0);
    if (free.length === 0) throw noRoom(survivors.length, 1, limits);
    const least = free.reduce((best, shard) => ((busy.get(shard) ?? 0) < (busy.get(best) ?? 0) ? shard : best));
    room.set(least, (room.get(least) ?? 0) - 1);
    busy.set(least, (busy.get(least) ?? 0) + orphan.load);
    found.set(`${orphan.layer} ${orphan.expert}`, least);
  }
  return placementOf(demand, (layer, expert) => {
    const home = found.get(`${layer} ${expert}`);
    return home === undefined ? (left.holders[layer]?.[expert] ?? []) : [home];
  });
}

function slotsPerShard(demand: ExpertDemand, shards: readonly number[], limits: PlacementLimits): number {
  const { minReplicas, expertBytes, shardBytes } = limits;
  const fit = Math.floor(shardBytes / (expertBytes * demand.layers));
  const slots = Math.min(Math.ceil(copiesWanted(demand, limits) / shards.length), fit, demand.experts);
  if (minReplicas > shards.length || slots * shards.length < demand.experts * minReplicas) {
    throw noRoom(shards.length, minReplicas, limits);
  }
  return slots;
}

function copiesWanted({ experts }: ExpertDemand, { minReplicas, redundant }: PlacementLimits): number {
  return Math.max(experts * minReplicas, experts + redundant);
}

function noRoom(shards: number, minReplicas: number, { shardBytes, expertBytes }: PlacementLimits): TooFewSlots {
  const copies = minReplicas === 1 ? 'the experts' : `${minReplicas} copies of each expert on different shards`;
  const room = `${shards} living shards with ${shardBytes} bytes each, at ${expertBytes} bytes an expert`;
  return new TooFewSlots(
    `There is no room for ${copies}: ${room}. Add shards, give them more memory, or ask for less.`,
  );
}

/** One copy of an expert and its share of the expert's load. */
interface Copy {
  readonly expert: number;
  readonly load: number;
}

/** Largest share first; of equal ones the lower expert. */
function copiesOf(load: Float64Array, total: number, shards: number, minReplicas: number): Copy[] {
  const counts = new Int32Array(load.length).fill(minReplicas);
  const share = (expert: number): number => (load[expert] ?? 0) / (counts[expert] ?? 1);
  for (let made = load.length * minReplicas; made < total; made++) {
    let most = -1;
    for (let expert = 0; expert < load.length; expert++) {
      if ((counts[expert] ?? 0) < shards && (most < 0 || share(expert) > share(most))) most = expert;
    }
    if (most < 0) break;
    counts[most] = (counts[most] ?? 0) + 1;
  }
  const copies = Array.from(counts, (count, expert) => Array<Copy>(count).fill({ expert, load: share(expert) })).flat();
  return copies.sort((a, b) => b.load - a.load || a.expert - b.expert);
}

/** What one shard holds of one layer: the load of each expert's copy. */
interface Bin {
  load: number;
  readonly shares: Map<number, number>;
}

function pack(copies: readonly Copy[], shards: number, slots: number): Bin[] {
  const bins = Array.from({ length: shards }, (): Bin => ({ load: 0, shares: new Map() }));
  for (const copy of copies) {
    const open = bins.filter(({ shares }) => shares.size < slots);
    const apart = open.filter(({ shares }) => !shares.has(copy.expert));
    put(copy, least(apart) ?? makeRoom(copy.expert, bins, open));
  }
  return bins;
}

/**
 * Only shards that hold the expert already have a slot left. A full shard that does not hold it has an expert that one of
 * those lacks, because it holds more: that one moves.
 */
function makeRoom(expert: number, bins: readonly Bin[], open: readonly Bin[]): Bin {
  for (const full of bins.filter(({ shares }) => !shares.has(expert))) {
    for (const taker of open) {
      const movable = [...full.shares].filter(([other]) => !taker.shares.has(other));
      const [smallest] = movable.sort((a, b) => a[1] - b[1]);
      if (smallest === undefined) continue;
      take(smallest[0], full);
      put({ expert: smallest[0], load: smallest[1] }, taker);
      return full;
    }
  }
  throw new Error(`more copies of expert ${expert} than shards`);
}

function put({ expert, load }: Copy, bin: Bin): void {
  bin.shares.set(expert, load);
  bin.load += load;
}

function take(expert: number, bin: Bin): void {
  bin.load -= bin.shares.get(expert) ?? 0;
  bin.shares.delete(expert);
}

function least(bins: readonly Bin[]): Bin | undefined {
  return bins.reduce<Bin | undefined>(
    (best, bin) => (best === undefined || bin.load < best.load ? bin : best),
    undefined,
  );
}

/** Swaps copies of the busiest shard for lighter ones of another while that lowers the busier of the two. */
function even(bins: readonly Bin[]): void {
  const most = 8 * bins.length;
  for (let swaps = 0; swaps < most; swaps++) {
    const busiest = bins.reduce((best, bin) => (bin.load > best.load ? bin : best));
    const swap = bins.reduce<Swap | null>((best, bin) => (bin === busiest ? best : bestSwap(busiest, bin, best)), null);
    if (swap === null) return;
    const [heavy, light] = [busiest.shares.get(swap.heavy) ?? 0, swap.other.shares.get(swap.light) ?? 0];
    take(swap.heavy, busiest);
    take(swap.light, swap.other);
    put({ expert: swap.heavy, load: heavy }, swap.other);
    put({ expert: swap.light, load: light }, busiest);
  }
}

interface Swap {
  readonly other: Bin;
  readonly heavy: number;
  readonly light: number;
  /** The load of the busier of the two after it. */
  readonly peak: number;
}

/** Swaps that win less than this share of the load are not worth their moves. */
const worthwhile = 1e-3;

function bestSwap(busiest: Bin, other: Bin, before: Swap | null): Swap | null {
  let best = before;
  const lighter = [...other.shares].filter(([light]) => !busiest.shares.has(light));
  for (const [heavy, heavyLoad] of busiest.shares) {
    if (other.shares.has(heavy)) continue;
    for (const [light, lightLoad] of lighter) {
      const moved = heavyLoad - lightLoad;
      if (moved <= 0) continue;
      const peak = Math.max(busiest.load - moved, other.load + moved);
      if (peak < (best?.peak ?? busiest.load * (1 - worthwhile))) best = { other, heavy, light, peak };
    }
  }
  return best;
}

function roomOf(placement: Placement, shard: number, { shardBytes, expertBytes }: PlacementLimits): number {
  const held = heldBy(placement, shard).reduce((sum, { experts }) => sum + experts.length, 0);
  return Math.floor(shardBytes / expertBytes) - held;
}

function heldLoad(placement: Placement, { load, experts }: ExpertDemand, shard: number): number {
  return heldBy(placement, shard)
    .flatMap(({ layer, experts: held }) => held.map((expert) => load[layer * experts + expert] ?? 0))
    .reduce((sum, one) => sum + one, 0);
}

function orphansOf(left: Placement, { load, experts }: ExpertDemand): (Copy & { readonly layer: number })[] {
  return left.holders
    .flatMap((layerHolders, layer) =>
      layerHolders.flatMap((holders, expert) =>
        holders.length > 0 ? [] : [{ layer, expert, load: load[layer * experts + expert] ?? 0 }],
      ),
    )
    .sort((a, b) => b.load - a.load || a.layer - b.layer || a.expert - b.expert);
}
