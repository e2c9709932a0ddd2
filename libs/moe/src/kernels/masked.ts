const ALL = 0xffff_ffff;

/**
 * @param mask a bit for each logit, in words of 32
 * @returns a copy in which the others, and those beyond the mask, are minus infinity
 */
export function masked(logits: Float32Array, mask: Uint32Array): Float32Array {
  const kept = logits.slice();
  kept.fill(-Infinity, 32 * mask.length);
  for (let at = 0; at < mask.length; at++) {
    // Most words are all or nothing.
    let left = ~mask[at]! >>> 0;
    if (left === ALL) kept.fill(-Infinity, 32 * at, 32 * at + 32);
    else {
      for (; left !== 0; left &= left - 1) {
        const id = 32 * at + 31 - Math.clz32(left & -left); // the lowest bit that is set
        kept[id] = -Infinity; // ids beyond the logits fall off: nothing is written there
      }
    }
  }
  return kept;
}
