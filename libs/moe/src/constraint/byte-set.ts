/** Sets of bytes. */

/** Eight words of 32 bits. */
export type ByteSet = Uint32Array;

/** @param ranges both ends included */
export function byteSet(ranges: readonly (readonly [from: number, to: number])[]): ByteSet {
  const set = new Uint32Array(8);
  for (const [from, to] of ranges) {
    for (let byte = from; byte <= to; byte++) set[byte >>> 5] = (set[byte >>> 5] ?? 0) | (1 << (byte & 31));
  }
  return set;
}

export function hasByte(set: ByteSet, byte: number): boolean {
  return (((set[byte >>> 5] ?? 0) >>> (byte & 31)) & 1) === 1;
}
