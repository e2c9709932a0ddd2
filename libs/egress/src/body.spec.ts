import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { readBody } from './body.ts';
import { EgressFault } from './faults.ts';
import { DEFAULT_LIMITS, type EgressLimits } from './limits.ts';

const page = Buffer.from('<p>All that is gold does not glitter</p>'.repeat(50));

function read(chunks: Iterable<Uint8Array>, contentEncoding?: string, limits: Partial<EgressLimits> = {}) {
  const body = Readable.from(chunks, { objectMode: false });
  const source = { host: 'a.example', body, contentEncoding, contentLength: undefined };
  return { body, bytes: readBody(source, { ...DEFAULT_LIMITS, ...limits }) };
}

/** A stream that never ends and counts what was taken from it. */
function endless(chunk: Uint8Array): { chunks: Generator<Uint8Array>; taken: () => number } {
  let taken = 0;
  function* chunks(): Generator<Uint8Array> {
    for (;;) {
      taken += chunk.length;
      yield chunk;
    }
  }
  return { chunks: chunks(), taken: () => taken };
}

describe('content-encodings', () => {
  it.each([
    ['gzip', zlib.gzipSync(page)],
    ['x-gzip', zlib.gzipSync(page)],
    ['deflate', zlib.deflateSync(page)],
    ['deflate', zlib.deflateRawSync(page)],
    ['br', zlib.brotliCompressSync(page)],
    ['zstd', zlib.zstdCompressSync(page)],
    ['GZIP', zlib.gzipSync(page)],
    ['identity', page],
    ['', page],
    ['gzip, br', zlib.brotliCompressSync(zlib.gzipSync(page))],
    ['identity, deflate,, gzip', zlib.gzipSync(zlib.deflateSync(page))],
  ])('undoes "%s"', async (encoding, wire) => {
    expect(Buffer.from(await read([wire], encoding).bytes)).toEqual(page);
  });

  it('undoes an encoding that arrives byte by byte', async () => {
    const wire = [...zlib.gzipSync(page)].map((byte) => Uint8Array.of(byte));
    expect(Buffer.from(await read(wire, 'gzip').bytes)).toEqual(page);
  });

  it('takes an empty body for empty, whatever its encoding', async () => {
    expect(await read([], 'gzip').bytes).toEqual(new Uint8Array(0));
  });

  it('gives memory of its own, not a view into a shared pool', async () => {
    const bytes = await read([Buffer.from('hi')]).bytes;
    expect(bytes.buffer.byteLength).toBe(2);
  });

  it.each(['compress', 'gzip, aes128gcm', 'constructor', '__proto__', 'gzip, gzip, gzip'])(
    'refuses "%s"',
    async (name) => {
      await expect(read([page], name).bytes).rejects.toMatchObject({ name: 'EgressFault', kind: 'invalid' });
    },
  );

  it.each(['gzip', 'deflate', 'br', 'zstd'])('fails on bytes that are not %s', async (name) => {
    // First byte 0x78 passes for zlib's header, so that `deflate` is not just taken for a bare stream.
    await expect(read([Buffer.from('x is not compressed at all')], name).bytes).rejects.toHaveProperty('code');
  });

  it('fails on a body cut short', async () => {
    const wire = zlib.gzipSync(page);
    await expect(read([wire.subarray(0, wire.length - 12)], 'gzip').bytes).rejects.toHaveProperty(
      'code',
      'Z_BUF_ERROR',
    );
  });
});

describe('bounds', () => {
  it('stops an endless body at the wire limit', async () => {
    const source = endless(new Uint8Array(1024));
    const { body, bytes } = read(source.chunks, undefined, { compressedBytes: 10_000 });
    await expect(bytes).rejects.toMatchObject({ kind: 'invalid', retryable: false });
    expect(source.taken()).toBeLessThan(200_000);
    expect(body.destroyed).toBe(true);
  });

  it('accepts a body of exactly the limit and refuses one byte more', async () => {
    const limits = { compressedBytes: 1000 };
    expect((await read([new Uint8Array(1000)], undefined, limits).bytes).length).toBe(1000);
    await expect(read([new Uint8Array(1001)], undefined, limits).bytes).rejects.toThrow(EgressFault);
  });

  it('does not begin to read a body that announces too much', async () => {
    const source = endless(new Uint8Array(1024));
    const body = Readable.from(source.chunks, { objectMode: false });
    const answer = { host: 'a.example', body, contentEncoding: undefined, contentLength: '11000000' };
    await expect(readBody(answer, DEFAULT_LIMITS)).rejects.toThrow(/limit of 10485760 bytes/);
    expect(source.taken()).toBe(0);
  });

  it.each(['gzip', 'br', 'zstd'] as const)('stops a %s bomb by its ratio long before it is inflated', async (name) => {
    const zeros = new Uint8Array(16 * 1024 * 1024);
    const wire = { gzip: zlib.gzipSync, br: zlib.brotliCompressSync, zstd: zlib.zstdCompressSync }[name](zeros);
    await expect(read([wire], name).bytes).rejects.toThrow('inflates more than 100 times');
  });

  it('stops at the inflated limit where the ratio is fair', async () => {
    const wire = zlib.gzipSync(new Uint8Array(300_000));
    const limits = { inflatedBytes: 200_000, ratio: 10_000 };
    await expect(read([wire], 'gzip', limits).bytes).rejects.toThrow('limit of 200000 bytes');
  });

  it('stops a bomb that hides in the inner layer and comes out empty', async () => {
    // Thousands of empty gzip members: nothing in the end, but a lot in between.
    const member = zlib.gzipSync('');
    const members = Buffer.alloc(member.length * 50_000, member);
    const wire = zlib.gzipSync(members);
    await expect(read([wire], 'gzip, gzip').bytes).rejects.toThrow('inflates more than 100 times');
    const lenient = { ratio: 1_000_000, inflatedBytes: 500_000 };
    await expect(read([wire], 'gzip, gzip', lenient).bytes).rejects.toThrow('limit of 500000 bytes');
  });

  it('lets a short repetitive body be, whatever its ratio', async () => {
    const text = new Uint8Array(60_000);
    expect((await read([zlib.gzipSync(text)], 'gzip').bytes).length).toBe(60_000);
  });
});

describe('pace', () => {
  it('gives up a body that trickles below the least rate', async () => {
    const body = new Readable({ read: () => undefined });
    body.push('first bytes and no more');
    const source = { host: 'slow.example', body, contentEncoding: undefined, contentLength: undefined };
    const limits = { ...DEFAULT_LIMITS, minBytesPerSecond: 10_000, throughputWindowMs: 20 };
    await expect(readBody(source, limits)).rejects.toMatchObject({ kind: 'transient', retryable: true });
    expect(body.destroyed).toBe(true);
  });
});
