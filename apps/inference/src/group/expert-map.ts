/** What a group tells of where its experts are. */
import type { inference } from '#contracts/rpc';
import type { ExpertDemand, Placement } from '#moe';

/** A placement with what its numbers stand for. */
export interface Seating {
  /** Number in the model of each layer that has experts. */
  readonly layers: readonly number[];
  readonly placement: Placement;
  /** By the numbers that the placement has for them. */
  readonly shards: readonly { readonly name: string; readonly open: boolean }[];
}

/** What is told of a group. */
export interface Seated {
  readonly planEpoch: number;
  readonly demand: ExpertDemand;
  readonly answeredTokens: ReadonlyMap<number, number>;
  readonly seating: Seating;
}

/** As it goes over the wire. Cost: one look at each expert, and a bit of it for each shard. */
export function expertsOf({ planEpoch, demand, answeredTokens, seating }: Seated): inference.GetExpertsResponse {
  const { layers, placement, shards } = seating;
  const held = heldBits(placement, { experts: demand.experts, shards: shards.length });
  return {
    planEpoch,
    layers: [...layers],
    experts: demand.experts,
    load: [...demand.load],
    shards: shards.map(({ name, open }, shard) => ({
      name,
      open,
      answeredTokens: answeredTokens.get(shard) ?? 0,
      held: held[shard] ?? Buffer.alloc(0),
    })),
  };
}

/** @returns for each shard one bit for each expert of each layer, the lowest of a byte first */
function heldBits({ holders }: Placement, of: { readonly experts: number; readonly shards: number }): Buffer[] {
  const bits = Array.from({ length: of.shards }, () => Buffer.alloc(Math.ceil((holders.length * of.experts) / 8)));
  for (const [layer, experts] of holders.entries()) {
    for (const [expert, shards] of experts.entries()) {
      const at = layer * of.experts + expert;
      for (const shard of shards) {
        const own = bits[shard];
        if (own !== undefined) own[at >> 3] = (own[at >> 3] ?? 0) | (1 << (at & 7));
      }
    }
  }
  return bits;
}
