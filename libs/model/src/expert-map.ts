import type { inference } from '#contracts/rpc';
import { ArgosyError } from '#errors';

/** Where the experts of a group are, and what each had to do of late. */
export interface ExpertMap {
  /** Grows by one with each placement. */
  readonly planEpoch: number;
  /** Layers that have experts, ascending; none where no shards share them. */
  readonly layers: readonly {
    /** Its number in the model. */
    readonly layer: number;
    /** Tokens of a step, mean of the last ones, by expert. */
    readonly load: readonly number[];
    /** Positions in `shards` of those that hold it, by expert. */
    readonly holders: readonly (readonly number[])[];
  }[];
  readonly shards: readonly {
    readonly name: string;
    readonly open: boolean;
    readonly answeredTokens: number;
  }[];
}

/** More than any model has: 61 layers of 384 experts are 23,424. */
const mostExperts = 65_536;
const mostShards = 256;

/** Reads the bits of {@link inference.ShardExperts}. @throws MapMisfits when the parts do not fit each other */
export function expertMapOf({ planEpoch, layers, experts, load, shards }: inference.GetExpertsResponse): ExpertMap {
  const all = layers.length * experts;
  if (all > mostExperts || shards.length > mostShards)
    throw new MapMisfits(`${all} experts on ${shards.length} shards`);
  if (load.length !== all) throw new MapMisfits(`the load of ${load.length} experts of ${all}`);
  const cut = shards.find(({ held }) => held.length !== Math.ceil(all / 8));
  if (cut !== undefined) throw new MapMisfits(`${cut.held.length} bytes for what ${cut.name} holds of ${all} experts`);
  const holds = (held: Uint8Array, at: number): boolean => ((held[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  const holdersOf = (at: number): number[] => shards.flatMap(({ held }, shard) => (holds(held, at) ? [shard] : []));
  return {
    planEpoch,
    layers: layers.map((layer, index) => ({
      layer,
      load: load.slice(index * experts, (index + 1) * experts),
      holders: Array.from({ length: experts }, (_, expert) => holdersOf(index * experts + expert)),
    })),
    shards: shards.map(({ name, open, answeredTokens }) => ({ name, open, answeredTokens })),
  };
}

/** A group told of its experts what cannot be. */
class MapMisfits extends ArgosyError {
  override readonly name = 'MapMisfits';
  readonly code = 'unavailable';
  readonly retryable = false;
  constructor(what: string) {
    super(`it tells of ${what}. Its release is another one than this process's, or its answer was changed on the way`);
  }
}
