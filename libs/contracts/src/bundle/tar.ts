import { InvalidInput } from '#errors';

/** Files by path. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** A header's size, and what everything is padded to. POSIX.1-1988 ustar. */
const blockBytes = 512;

const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const;

type Field = keyof typeof field;

/** Parts of words, digits, `.`, `_` and `-`, none of which begins with a dot: never absolute, never above or hidden. */
const plainPath = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;

/**
 * A tar of plain files, sorted by path, owned by nobody, all of one time: the same files give the same bytes.
 * @param atMs time of every file, milliseconds since 1970
 */
export function writeTar(files: Files, atMs: number): Uint8Array<ArrayBuffer> {
  const parts = [...files.keys()].toSorted().flatMap((path) => {
    const bytes = files.get(path) ?? new Uint8Array();
    return [headerOf(path, bytes.byteLength, atMs), bytes, new Uint8Array(paddingAfter(bytes.byteLength))];
  });
  return Buffer.concat([...parts, new Uint8Array(2 * blockBytes)]);
}

/**
 * The files of a tar that holds nothing but plain files under plain relative paths. Nothing is mended: a link, a folder, a
 * path that leads elsewhere, a damaged header or bytes after the end are refused.
 * @returns views of the given bytes
 * @throws InvalidInput naming what was found
 */
export function readTar(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let at = 0;
  for (;;) {
    const header = tar.subarray(at, at + blockBytes);
    if (header.byteLength < blockBytes) throw unreadable('', 'is no whole tar: it breaks off');
    if (header.every(isZero)) break;
    const { path, bytes } = parseHeader(header);
    if (files.has(path)) throw unreadable(path, 'stands in the tar twice');
    const start = at + blockBytes;
    if (start + bytes > tar.byteLength) throw unreadable(path, 'is not there in full: the tar breaks off');
    files.set(path, tar.subarray(start, start + bytes));
    at = start + bytes + paddingAfter(bytes);
  }
  if (!tar.subarray(at).every(isZero)) throw unreadable('', 'holds something after the end of the tar');
  return files;
}

function headerOf(path: string, bytes: number, atMs: number): Uint8Array {
  const header = Buffer.alloc(blockBytes);
  const put = (name: Field, text: string): void => {
    const [start, length] = field[name];
    if (header.write(text, start, length, 'latin1') < text.length) throw new Error(`${text} is too long for a tar`);
  };
  if (!plainPath.test(path)) throw new Error(`${path} is no plain path`);
  put('name', path);
  put('mode', '0000644');
  put('uid', '0000000');
  put('gid', '0000000');
  put('size', octal(bytes));
  put('mtime', octal(Math.floor(atMs / 1000)));
  put('type', '0');
  put('magic', 'ustar');
  put('version', '00');
  put('checksum', `${checksumOf(header).toString(8).padStart(6, '0')}\0 `);
  return header;
}

function parseHeader(header: Uint8Array): { path: string; bytes: number } {
  const text = (name: Field): string => {
    const [start, length] = field[name];
    return Buffer.from(header.subarray(start, start + length))
      .toString('latin1')
      .replace(/\0.*$/s, '');
  };
  const number = (name: Field): number => Number.parseInt(text(name), 8);
  if (number('checksum') !== checksumOf(header)) throw unreadable('', 'is no tar, or was damaged: a header is wrong');
  const path = text('prefix') === '' ? text('name') : `${text('prefix')}/${text('name')}`;
  if (!plainPath.test(path)) throw unreadable(JSON.stringify(path), 'is no plain relative path');
  if (text('type') !== '0' && text('type') !== '') throw unreadable(path, 'is no plain file');
  if (!/^[0-7]+ *$/.test(text('size'))) throw unreadable(path, 'has no readable size');
  return { path, bytes: number('size') };
}

/** Sum of a header's bytes, its own field counted as blanks. */
function checksumOf(header: Uint8Array): number {
  const [start, length] = field.checksum;
  const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0);
  return sum(header) - sum(header.subarray(start, start + length)) + length * 0x20;
}

function octal(value: number): string {
  return value.toString(8).padStart(11, '0');
}

function paddingAfter(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes;
}

function isZero(byte: number): boolean {
  return byte === 0;
}

function unreadable(path: string, message: string): InvalidInput {
  return new InvalidInput([{ path, message }]);
}
