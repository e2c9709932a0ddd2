// biome-ignore-all lint/style/noNonNullAssertion: kernels on typed arrays, each index bound by its loop.
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const FILE = new URL('../../data/word-vectors.bin', import.meta.url);
const MAGIC = 'AWV1';
const HEADER_BYTES = 16;
const WORD = /[\p{L}\p{N}]+/gu;
/** Where an identifier parts; as in scripts/word-vectors/words.py. */
const SEAM = /(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})/u;

/** A word with its cosine to the word asked about. */
export interface Neighbour {
  readonly word: string;
  readonly cosine: number;
}

/**
 * Static word vectors: the meaning of a text is the normalised sum of its words' vectors, whose lengths are the weights
 * of the words. Fitted to a sentence embedding model; libs/tools/data/README.md has format, source and limits.
 */
export class WordVectors {
  /** Components of each vector. */
  readonly dimensions: number;
  /** Changes with the table, 0 to 65,535: vectors of different tables must not be compared. */
  readonly fingerprint: number;
  readonly #words: readonly string[];
  readonly #rows: ReadonlyMap<string, number>;
  readonly #scales: Float32Array;
  /** i8 [words, dimensions] */
  readonly #steps: Int8Array;

  /**
   * @param bytes a whole table as libs/tools/data/README.md lays it out
   * @throws RangeError when they are no such table
   */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_BYTES || Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== MAGIC) {
      throw new RangeError(`A table of word vectors begins with ${MAGIC}.`);
    }
    const count = view.getUint32(4, true);
    const dimensions = view.getUint32(8, true);
    const scalesAt = HEADER_BYTES + view.getUint32(12, true);
    const stepsAt = scalesAt + 4 * count;
    if (bytes.length !== stepsAt + count * dimensions) {
      throw new RangeError(`The table of word vectors has ${bytes.length} bytes, not ${stepsAt + count * dimensions}.`);
    }
    const names = new TextDecoder().decode(bytes.subarray(HEADER_BYTES, scalesAt));
    this.#words = names.split('\n', count);
    this.#rows = new Map(this.#words.map((word, row) => [word, row]));
    this.#scales = Float32Array.from({ length: count }, (_, row) => view.getFloat32(scalesAt + 4 * row, true));
    this.#steps = new Int8Array(bytes.buffer, bytes.byteOffset + stepsAt, count * dimensions);
    this.dimensions = dimensions;
    this.fingerprint = crc32(bytes) & 0xffff;
  }

  /** Number of words in the table. */
  get size(): number {
    return this.#words.length;
  }

  has(word: string): boolean {
    return this.#rows.has(word.toLowerCase());
  }

  /**
   * The vector of a text given as its words, in any case; a word that is not in the table counts by another form of it
   * that is (`redact` by `redacted`), else by its parts (`removeOnComplete`). The cosine of two such vectors says how near two texts are in meaning.
   * @returns f32 [dimensions] of length 1; all zero when no word is known
   * Cost O(words * dimensions), one allocation.
   */
  embed(words: Iterable<string>): Float32Array {
    const sum = new Float32Array(this.dimensions);
    for (const word of words) {
      const row = this.#rowOf(word.toLowerCase());
      if (row !== undefined) this.#add(row, sum);
      else this.#addParts(word, sum);
    }
    return normalise(sum);
  }

  /** The row of a word, or of another form of it. */
  #rowOf(word: string): number | undefined {
    const own = this.#rows.get(word);
    if (own !== undefined || word.length < 5) return own;
    for (const form of otherForms(word)) {
      const row = this.#rows.get(form);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  /** The `k` words of nearest meaning, best first, without the word itself; none for an unknown one. Cost: O(size * dimensions). */
  nearest(word: string, k: number): Neighbour[] {
    const own = this.#rows.get(word.toLowerCase());
    if (own === undefined) return [];
    const asked = this.#vector(own);
    return this.#words
      .map((other, row) => ({ word: other, row, cosine: row === own ? -1 : cosine(asked, this.#vector(row)) }))
      .sort((a, b) => b.cosine - a.cosine || a.row - b.row)
      .slice(0, Math.min(k, this.size - 1))
      .map(({ word, cosine }) => ({ word, cosine }));
  }

  #vector(row: number): Float32Array {
    const vector = new Float32Array(this.dimensions);
    this.#add(row, vector);
    return normalise(vector);
  }

  #addParts(word: string, sum: Float32Array): void {
    const parts = word.split(SEAM);
    if (parts.length < 2) return;
    for (const part of parts) {
      const row = this.#rowOf(part.toLowerCase());
      if (row !== undefined) this.#add(row, sum);
    }
  }

  #add(row: number, sum: Float32Array): void {
    const { dimensions } = this;
    const steps = this.#steps;
    const scale = this.#scales[row]!;
    const start = row * dimensions;
    for (let i = 0; i < dimensions; i++) sum[i]! += steps[start + i]! * scale;
  }
}

/** Plain English inflections of a word and of what it may be an inflection of, likeliest first. */
function otherForms(word: string): string[] {
  const bases = [/s$/, /es$/, /d$/, /ed$/, /ing$/, /ly$/]
    .filter((end) => end.test(word))
    .map((end) => word.replace(end, ''));
  return [...bases, ...bases.map((base) => `${base}e`), ...['s', 'ed', 'd', 'ing'].map((end) => word + end)];
}

let loaded: WordVectors | null = null;

/** The table that comes with the library; read once per thread, about 5 MB. @throws Error when the file is missing */
export function loadWordVectors(): WordVectors {
  loaded ??= new WordVectors(readFileSync(FILE));
  return loaded;
}

/** Words of a text as {@link WordVectors.embed} takes them: runs of letters and digits, in order, repeats kept. */
export function vectorWords(text: string): string[] {
  return text.match(WORD) ?? [];
}

/** Cosine of two vectors of one table, each of length 1 or zero; 0 when either is zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function normalise(vector: Float32Array): Float32Array {
  const length = Math.sqrt(cosine(vector, vector));
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i]! /= length;
  return vector;
}
