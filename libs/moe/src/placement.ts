/** Where the experts of a group are. Pure; who loads and unloads is the group's coordinator. */

/** Which shards hold each expert, by layer and expert: ascending numbers of shards, at least one. */
export interface Placement {
  readonly holders: readonly (readonly (readonly number[])[])[];
}

/** Experts of one layer, by id, ascending. */
export interface LayerExperts {
  readonly layer: number;
  readonly experts: readonly number[];
}

/** A placement of `layers` layers of `experts` experts, each held by the shards that `holdersOf` names. */
export function placementOf(
  { layers, experts }: { readonly layers: number; readonly experts: number },
  holdersOf: (layer: number, expert: number) => readonly number[],
): Placement {
  const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);
  const ascending = (layer: number, expert: number) => holdersOf(layer, expert).toSorted((a, b) => a - b);
  return {
    holders: numbers(layers).map((layer) => numbers(experts).map((expert) => ascending(layer, expert))),
  };
}

/**
 * How evenly a placement spreads the load, 0 to 1: the time that a step would take were every shard as busy as the mean
 * one, over the time that it takes. A step waits for the busiest shard in every layer; replicas share evenly.
 * @param load [layers, experts], in any unit; without any load every placement is even
 * @param shards how many there are, those that hold nothing included
 */
export function balance(placement: Placement, load: Float64Array, shards: number): number {
  let even = 0;
  let real = 0;
  for (const [layer, experts] of placement.holders.entries()) {
    const busy = new Float64Array(shards);
    for (const [expert, holders] of experts.entries()) {
      const share = (load[layer * experts.length + expert] ?? 0) / holders.length;
      for (const shard of holders) busy[shard] = (busy[shard] ?? 0) + share;
    }
    even += busy.reduce((sum, one) => sum + one, 0) / shards;
    real += Math.max(...busy);
  }
  return real === 0 ? 1 : even / real;
}

/** What one shard holds, layers without any of its experts left out. */
export function heldBy(placement: Placement, shard: number): LayerExperts[] {
  return placement.holders.flatMap((experts, layer) => {
    const held = experts.flatMap((holders, expert) => (holders.includes(shard) ? [expert] : []));
    return held.length > 0 ? [{ layer, experts: held }] : [];
  });
}

/** How many experts, over all layers, a change of placement has to bring to shards that do not hold them. */
export function movesBetween(from: Placement, to: Placement): number {
  let moves = 0;
  for (const [layer, experts] of to.holders.entries()) {
    for (const [expert, holders] of experts.entries()) {
      for (const shard of holders) if (!from.holders[layer]?.[expert]?.includes(shard)) moves += 1;
    }
  }
  return moves;
}

/**
 * The load as it is thought to be after one more step: an exponentially weighted mean, changed in place.
 * @param load [layers, experts]
 * @param seen tokens of this step, in the same order
 * @param weight of this step, 0 to 1: 0.05 forgets half in 14 steps
 */
export function followLoad(load: Float64Array, seen: Float64Array, weight: number): void {
  for (let i = 0; i < load.length; i++) load[i] = (load[i] ?? 0) * (1 - weight) + (seen[i] ?? 0) * weight;
}
