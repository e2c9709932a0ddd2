import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { readForm } from './form.ts';

const bounds = { files: 3, fileBytes: 1_000, totalBytes: 4_000 };

type Part = readonly [header: string, data: string];
const file = (path: string, data: string): Part => [`name="f"; filename="${path}"`, data];
const textOf = (parts: readonly Part[], end = '--x--\r\n'): string =>
  parts.map(([header, data]) => `--x\r\nContent-Disposition: form-data; ${header}\r\n\r\n${data}\r\n`).join('') + end;

const formType = { 'content-type': 'multipart/form-data; boundary=x' };

/** Reads a form that comes in pieces. @returns its fields, and its files as they were read */
async function read(text: string, size = 7, refuses = '') {
  const bytes = Buffer.from(text);
  const count = Math.ceil(bytes.length / size);
  const pieces = Array.from({ length: count }, (_, n) => bytes.subarray(n * size, n * size + size));
  const body = Readable.from(pieces, { objectMode: false });
  const files: [string, string][] = [];
  let readers = 0;
  const take = async (path: string, source: AsyncIterable<Uint8Array>): Promise<void> => {
    readers += 1;
    try {
      if (path === refuses) throw new Error(`no room for ${path}`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of source) chunks.push(chunk);
      files.push([path, Buffer.concat(chunks).toString()]);
    } finally {
      readers -= 1;
    }
  };
  try {
    return { fields: [...(await readForm(body, formType, bounds, take))], files };
  } finally {
    expect(readers).toBe(0);
  }
}

describe('readForm', () => {
  it.each([1, 5, 64, 10_000])(
    'gives files in order and the fields beside them, from pieces of %s bytes',
    async (size) => {
      const parts = [
        file('a/ä.md', 'alpha\r\n--y'),
        ['name="name"', 'docs'] as const,
        file('b.md', ''),
        file('c.md', 'c'),
      ];
      expect(await read(textOf(parts), size)).toEqual({
        fields: [['name', 'docs']],
        files: [
          ['a/ä.md', 'alpha\r\n--y'],
          ['b.md', ''],
          ['c.md', 'c'],
        ],
      });
    },
  );

  it.each<[string, string, string]>([
    [
      'a file that is too large',
      textOf([file('a.md', 'a'.repeat(1_001)), file('b.md', 'b')]),
      'a.md: a file of a corpus has at most 1000',
    ],
    ['too many files', textOf(['a', 'b', 'c', 'd'].map((path) => file(path, path))), 'at most 3 files'],
    [
      'too many bytes',
      textOf(['a', 'b', 'c'].map((path) => file(path, 'x'.repeat(900)))) + 'y'.repeat(4_000),
      'at most 4000 bytes',
    ],
    [
      'too many fields',
      textOf(Array.from({ length: 11 }, (_, n) => [`name="n${n}"`, 'x'] as const)),
      'at most 10 fields',
    ],
    ['an end that is missing', textOf([file('a.md', 'alpha')], ''), 'cannot be read'],
  ])('refuses %s, once whoever reads a file has let go', async (_, text, words) => {
    await expect(read(text, 500)).rejects.toThrow(words);
  });

  it('refuses a form without a boundary', async () => {
    const form = readForm(
      Readable.from(['x']),
      { 'content-type': 'multipart/form-data' },
      bounds,
      async () => undefined,
    );
    await expect(form).rejects.toThrow('cannot be read: Multipart: Boundary not found');
  });

  it('ends with the fault of whoever takes a file, and gives him no more', async () => {
    const text = textOf(['a.md', 'b.md', 'c.md'].map((path) => file(path, path)));
    await expect(read(text, 500, 'b.md')).rejects.toThrow('no room for b.md');
    await expect(read(text, 500, 'c.md')).rejects.toThrow('no room for c.md');
  });

  it('ends when the client leaves in the middle of a file', async () => {
    const body = new Readable({ read: () => undefined });
    const read = readForm(
      body,
      { 'content-type': 'multipart/form-data; boundary=x' },
      bounds,
      async (_path, source) => {
        for await (const _chunk of source) body.destroy();
      },
    );
    body.push(textOf([file('a.md', 'a'.repeat(100))], ''));
    await expect(read).rejects.toThrow('stopped sending');
  });
});
