import type { Meaning } from '../text/meaning.ts';

/** A passage by its row id, with the cosine of its meaning and the question's. */
export interface Near {
  readonly id: number;
  readonly cosine: number;
}

/** Farther than this (as a cosine) a passage has nothing to do with the question. */
const leastCosine = 0.1;

/** One as the product of two signed bytes at full length. */
const unit = 127 * 127;
const leastDot = leastCosine * unit;

/** The meanings of all passages of an index in one block of memory: `dimensions` bytes each. */
export class Meanings {
  readonly #ids: number[];
  readonly #block: Int8Array;
  readonly #dimensions: number;

  constructor(rows: readonly Record<string, unknown>[]) {
    this.#ids = rows.map((row) => Number(row['id']));
    this.#dimensions = (rows[0]?.['vector'] as Uint8Array | undefined)?.byteLength ?? 0;
    this.#block = new Int8Array(rows.length * this.#dimensions);
    for (const [index, row] of rows.entries()) this.#block.set(asInt8(row['vector']), index * this.#dimensions);
  }

  /**
   * The passages nearest to a meaning, best first. Looks at every passage: 100,000 take about 20 ms.
   * @returns at most `limit`; those that have nothing to do with it are left out
   */
  nearest(meaning: Meaning, limit: number): Near[] {
    const near: Near[] = [];
    const dimensions = this.#dimensions;
    const block = this.#block;
    for (let row = 0, at = 0; row < this.#ids.length; row++, at += dimensions) {
      let dot = 0;
      for (let i = 0; i < dimensions; i++) dot += (block[at + i] ?? 0) * (meaning[i] ?? 0);
      if (dot >= leastDot) near.push({ id: this.#ids[row] ?? 0, cosine: dot / unit });
    }
    return near.sort((a, b) => b.cosine - a.cosine || a.id - b.id).slice(0, limit);
  }
}

function asInt8(blob: unknown): Int8Array {
  const bytes = blob as Uint8Array; // node:sqlite gives BLOBs as Uint8Array
  return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
