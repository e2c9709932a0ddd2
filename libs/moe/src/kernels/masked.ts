/** @param mask a bit for each logit, in words of 32 @returns a copy in which the others are minus infinity */
export function masked(logits: Float32Array, mask: Uint32Array): Float32Array {
  const kept = new Float32Array(logits.length).fill(-Infinity);
  for (let at = 0; at < mask.length; at++) {
    for (let word = mask[at]!; word !== 0; word &= word - 1) {
      const id = 32 * at + 31 - Math.clz32(word & -word); // the lowest bit that is set
      kept[id] = logits[id]!; // ids beyond the logits fall off: nothing is written there
    }
  }
  return kept;
}
