/** Random numbers that are a function of a seed and a place: the same in any order and in any batch. */

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
const WEYL = [0x9e3779b9, 0xbb67ae85] as const;
const ROUNDS = 10;

/**
 * A number in [0, 1) with 53 random bits.
 * @param seed below 2^53
 * @param position below 2^32
 */
export function uniformAt(seed: number, position: number): number {
  const [high, low] = philox([position, 0, 0, 0], [seed >>> 0, Math.floor(seed / 2 ** 32)]);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

type Counter = readonly [number, number, number, number];

/**
 * Philox 4x32 with ten rounds. Words are 32 bits each.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, §4.
 */
export function philox(counter: Counter, key: readonly [number, number]): Counter {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const [high0, low0] = product(MULTIPLIERS[0], a);
    const [high1, low1] = product(MULTIPLIERS[1], c);
    [a, b, c, d] = [(high1 ^ b ^ k0) >>> 0, low1, (high0 ^ d ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL[0]) >>> 0;
    k1 = (k1 + WEYL[1]) >>> 0;
  }
  return [a, b, c, d];
}

/** The 64 bits of a product as two words; doubles hold 48 of them exactly at a time. */
function product(x: number, y: number): readonly [high: number, low: number] {
  const [xHigh, xLow] = [x >>> 16, x & 0xffff];
  const lower = xLow * y;
  const upper = xHigh * y + Math.floor(lower / 0x10000);
  return [Math.floor(upper / 0x10000), Math.imul(x, y) >>> 0];
}
