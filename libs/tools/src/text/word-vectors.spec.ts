import { describe, expect, it } from '@jest/globals';
import { cosine, loadWordVectors, vectorWords, WordVectors } from './word-vectors.ts';

const ROUNDING = 1e-5; // sums of up to 128 products of float32
const vectors = loadWordVectors();

function meaning(text: string): Float32Array {
  return vectors.embed(vectorWords(text));
}

function nearness(a: string, b: string): number {
  return cosine(meaning(a), meaning(b));
}

/** A table written by hand. Rows are `scale * steps`. */
function table(rows: readonly { word: string; scale: number; steps: readonly number[] }[]): Uint8Array {
  const names = rows.map(({ word }) => word).join('\n');
  const padded = names.padEnd(Math.ceil(names.length / 4) * 4, '\n');
  const header = Buffer.alloc(16);
  header.write('AWV1', 'latin1');
  [rows.length, rows[0]?.steps.length ?? 0, padded.length].forEach((n, i) => {
    header.writeUInt32LE(n, 4 + 4 * i);
  });
  const scales = Buffer.from(Float32Array.from(rows, ({ scale }) => scale).buffer);
  const steps = Buffer.from(Int8Array.from(rows.flatMap((row) => row.steps)).buffer);
  return Buffer.concat([header, Buffer.from(padded), scales, steps]);
}

describe('the maths of word vectors', () => {
  const small = new WordVectors(
    table([
      { word: 'cache', scale: 1, steps: [3, 4] },
      { word: 'on', scale: 0.01, steps: [0, 100] },
      { word: 'remove', scale: 0.5, steps: [-6, 0] },
    ]),
  );

  it('adds the scaled rows of the words and brings the sum to length 1', () => {
    expect([...small.embed(['cache', 'remove'])]).toEqual([0, 1]); // [3, 4] + [-3, 0]
    const [x, y] = small.embed(['cache', 'on']); // [3, 4] + [0, 1]
    expect(x).toBeCloseTo(3 / Math.sqrt(34), 6);
    expect(y).toBeCloseTo(5 / Math.sqrt(34), 6);
  });

  it('gives the zero vector when no word is known, and passes over unknown words otherwise', () => {
    expect([...small.embed(['zyzzyva', '日本'])]).toEqual([0, 0]);
    expect([...small.embed([])]).toEqual([0, 0]);
    expect(small.embed(['zyzzyva', 'cache'])).toEqual(small.embed(['cache']));
  });

  it('ignores case and takes an unknown identifier by its known parts', () => {
    expect(small.embed(['CACHE'])).toEqual(small.embed(['cache']));
    expect(small.embed(['removeOnCache2'])).toEqual(small.embed(['remove', 'on', 'cache']));
  });

  it('lists the nearest words, best first, without the word itself', () => {
    expect(small.nearest('on', 5).map(({ word }) => word)).toEqual(['cache', 'remove']);
    expect(small.nearest('on', 1)[0]?.cosine).toBeCloseTo(0.8, 6);
    expect(small.nearest('zyzzyva', 5)).toEqual([]);
  });

  it('refuses bytes that are no table or that are cut short', () => {
    expect(() => new WordVectors(Buffer.from('PK\x03\x04 and so on, long enough'))).toThrow(RangeError);
    const whole = table([{ word: 'cache', scale: 1, steps: [3, 4] }]);
    expect(() => new WordVectors(whole.subarray(0, -1))).toThrow(RangeError);
  });
});

describe('the table that comes with the library', () => {
  it('gives vectors of length 1, so that a text is as near as can be to itself', () => {
    expect(vectors.embed(['disk']).length).toBe(vectors.dimensions);
    const text = 'The server reads its configuration file when it starts.';
    expect(Math.abs(nearness(text, text) - 1)).toBeLessThan(ROUNDING);
  });

  it.each([
    ['delete', 'remove', 'create'],
    ['password', 'credentials', 'weather'],
    ['crash', 'failure', 'documentation'],
    ['folder', 'directory', 'password'],
    ['huge', 'large', 'secret'],
    ['quick', 'fast', 'empty'],
    ['begin', 'start', 'delete'],
  ])('has %s nearer to %s than to %s', (word, near, far) => {
    expect(nearness(word, near)).toBeGreaterThan(nearness(word, far));
  });

  it.each([
    [
      'I deleted most rows of a big table, but the file is still as large as before',
      'Space freed by removed records is not given back to the operating system until the database is compacted.',
      'A table has a name and a list of columns, each with a type.',
    ],
    [
      'How do I stop people from guessing passwords?',
      'After several failed login attempts the account is locked for a while.',
      'The table lists all the colours that can be used in a theme.',
    ],
  ])('brings a question nearer to its answer in other words than to another passage: %s', (question, answer, other) => {
    expect(nearness(question, answer)).toBeGreaterThan(nearness(question, other));
  });
});
