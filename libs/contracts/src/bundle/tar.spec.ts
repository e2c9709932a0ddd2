import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { readTar, writeTar } from './tar.ts';

const files = new Map([
  ['b.txt', new TextEncoder().encode('x'.repeat(513))],
  ['a/empty', new Uint8Array()],
  ['a/full', new Uint8Array(512).fill(7)],
]);
const tar = writeTar(files, 1_769_817_605_999);

/** The tar with text put over one of its headers, whose checksum is made to fit. */
function forged(at: number, text: string, header = 0): Uint8Array {
  const bytes = Buffer.from(tar);
  const block = bytes.subarray(header, header + 512);
  block.write(text, at, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

describe('a tar', () => {
  it('gives back what it was made of, sorted, also out of the middle of a larger buffer', () => {
    const inside = Buffer.concat([Buffer.from('before'), tar, Buffer.from('after')]).subarray(6, 6 + tar.byteLength);
    for (const bytes of [tar, inside]) {
      const read = readTar(bytes);
      expect([...read.keys()]).toEqual(['a/empty', 'a/full', 'b.txt']);
      for (const [path, content] of files) expect(Buffer.from(read.get(path) ?? []).equals(content)).toBe(true);
    }
  });

  it('tells nothing about the machine it was made on, and has whole seconds', () => {
    const header = Buffer.from(tar.subarray(0, 512)).toString('latin1');
    expect(header.slice(100, 157)).toBe(
      `0000644\x000000000\x000000000\x0000000000000\x00${(1_769_817_605).toString(8)}\x00${header.slice(148, 156)}0`,
    );
    expect(header.slice(265, 329)).toBe('\0'.repeat(64));
  });

  it('does not take a path that is not plain', () => {
    expect(() => writeTar(new Map([['../a', new Uint8Array()]]), 0)).toThrow('is no plain path');
    expect(() => writeTar(new Map([['a'.repeat(101), new Uint8Array()]]), 0)).toThrow('too long');
  });
});

describe('a foreign tar', () => {
  it.each([
    ['a path that leads above', forged(0, '../mty\0'), /"\.\.\/mty": is no plain relative path/],
    ['a path that leads above by its middle', forged(0, 'a/../b\0'), /no plain relative path/],
    ['an absolute path', forged(0, '/etc/x\0'), /"\/etc\/x": is no plain/],
    ['a hidden file', forged(0, '.bashrc\0'), /no plain/],
    ['a path with a backslash', forged(0, 'a\\..\\b\0'), /no plain/],
    ['a path with an absolute beginning in another field', forged(345, '/etc'), /"\/etc\/a\/empty": is no plain/],
    ['a hard link', forged(156, '1'), /a\/empty: is no plain file/],
    ['a symbolic link', forged(156, '2'), /is no plain file/],
    ['a folder', forged(156, '5'), /is no plain file/],
    ['a header that speaks for others', forged(156, 'x'), /is no plain file/],
    ['the same path twice', forged(0, 'a/full\0\0'), /a\/full: stands in the tar twice/],
    ['a size that is none', forged(124, '-0000000001'), /has no readable size/],
    ['a size beyond its end', forged(124, '77777777777'), /is not there in full/],
    ['a damaged header', tar.with(0, 0x62), /a header is wrong/],
    ['no end', tar.subarray(0, -1024), /is no whole tar/],
    ['an end in the middle of a file', tar.subarray(0, 1100), /a\/full: is not there in full/],
    ['something after its end', Buffer.concat([tar, Buffer.from('x')]), /after the end/],
    ['nothing', new Uint8Array(), /is no whole tar/],
    ['something else', Buffer.alloc(2048, 'PK'), /is no tar/],
  ])('is refused for %s', (_what, bytes, fault) => {
    expect(() => readTar(bytes)).toThrow(InvalidInput);
    expect(() => readTar(bytes)).toThrow(fault);
  });
});
