import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { EgressFault } from './faults.ts';
import type { EgressLimits } from './limits.ts';
import { RATIO_FLOOR_BYTES } from './limits.ts';

/** What {@link readBody} must know of a response. */
export interface BodySource {
  readonly host: string;
  readonly body: Readable;
  /** The header as it came; undefined when absent. */
  readonly contentEncoding: string | undefined;
  /** Undefined also where it tells of a body that is not sent (HEAD). */
  readonly contentLength: string | undefined;
}

const MAX_ENCODINGS = 2;

/** For the `accept-encoding` header; exactly what {@link DECODERS} knows. */
export const ACCEPT_ENCODING = 'gzip, deflate, br, zstd';

/** RFC 9659: 8 MiB is the largest window a client of HTTP must offer, and the memory that a frame can claim. */
const ZSTD_WINDOW_LOG = 23;

/**
 * Reads a response body and undoes its content-encodings, counting bytes on the wire and after every layer, and stops at
 * the first byte too many. Destroys the body in every case.
 * @returns the inflated bytes in memory of their own
 * @throws EgressFault `invalid` when over a bound or not decodable, `transient` when too slow
 * Cost O(bytes); peak memory twice the inflated size.
 */
export async function readBody(source: BodySource, limits: EgressLimits): Promise<Uint8Array> {
  const { host, body } = source;
  // Destroying an unread body makes it emit an error that nobody waits for.
  body.on('error', () => undefined);
  const meter = new Meter(host, limits);
  const watch = setInterval(() => meter.checkPace(body), limits.throughputWindowMs);
  try {
    const encodings = parseEncodings(source);
    if (Number(source.contentLength) > limits.compressedBytes) throw meter.tooLarge(limits.compressedBytes);
    let bytes = counted(body, (n) => meter.onWire(n));
    for (const encoding of encodings.reverse()) {
      const layer = { bytes: 0 };
      bytes = counted(inflated(bytes, encoding), (n) => meter.onInflated(layer, n));
    }
    return await collect(bytes, (n) => meter.onResult(n));
  } finally {
    clearInterval(watch);
    body.destroy();
  }
}

function parseEncodings({ host, contentEncoding = '' }: BodySource): string[] {
  const names = contentEncoding.split(',').map((name) => name.trim().toLowerCase());
  const encodings = names.filter((name) => name !== '' && name !== 'identity');
  const strange = encodings.find((name) => !DECODERS.has(name));
  if (strange !== undefined) {
    const shown = strange.slice(0, 40);
    throw new EgressFault('invalid', `${host} sent content-encoding "${shown}"; known are ${ACCEPT_ENCODING}`);
  }
  if (encodings.length > MAX_ENCODINGS) {
    throw new EgressFault(
      'invalid',
      `${host} sent ${encodings.length} content-encodings; at most ${MAX_ENCODINGS} are undone`,
    );
  }
  return encodings;
}

type Decoder = zlib.Gunzip | zlib.Inflate | zlib.BrotliDecompress | zlib.ZstdDecompress;

/** Makes a decoder for a stream that begins with `first`. */
const DECODERS = new Map<string, (first: Uint8Array) => Decoder>([
  ['gzip', () => zlib.createGunzip()],
  ['x-gzip', () => zlib.createGunzip()],
  // RFC 9110 8.4.1.2 means zlib's format, but servers that send bare DEFLATE are common. CM = 8 tells zlib's apart.
  ['deflate', (first) => (((first[0] ?? 0) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw())],
  ['br', () => zlib.createBrotliDecompress()],
  ['zstd', () => zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } })],
]);

async function* inflated(source: AsyncIterable<Uint8Array>, encoding: string): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await chunks.next();
  // An answer to HEAD, a 304: encoded in name only.
  if (first.done) return;
  const decoder = DECODERS.get(encoding)?.(first.value);
  if (!decoder) throw new TypeError(`no decoder for ${encoding}, which parseEncodings let pass`);
  const feeding = pipeline(resumed(first.value, chunks), decoder);
  // The same error comes out of the decoder, which is where it is caught.
  feeding.catch(() => undefined);
  yield* decoder;
}

async function* resumed(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* counted(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    count(chunk.length);
    yield chunk;
  }
}

async function collect(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    count(chunk.length);
    chunks.push(chunk);
    length += chunk.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Counts one body against its limits. */
class Meter {
  readonly #host: string;
  readonly #limits: EgressLimits;
  #wire = 0;
  #wireAtWindowStart = 0;
  #result = 0;

  constructor(host: string, limits: EgressLimits) {
    this.#host = host;
    this.#limits = limits;
  }

  onWire(bytes: number): void {
    this.#wire += bytes;
    if (this.#wire > this.#limits.compressedBytes) throw this.tooLarge(this.#limits.compressedBytes);
  }

  /** A layer in the middle is counted too: one that unfolds into terabytes of nothing costs time, not size. */
  onInflated(layer: { bytes: number }, bytes: number): void {
    layer.bytes += bytes;
    this.#checkInflated(layer.bytes);
    if (layer.bytes > RATIO_FLOOR_BYTES && layer.bytes > this.#wire * this.#limits.ratio) {
      throw new EgressFault('invalid', `${this.#host} sent a body that inflates more than ${this.#limits.ratio} times`);
    }
  }

  onResult(bytes: number): void {
    this.#result += bytes;
    this.#checkInflated(this.#result);
  }

  /** Called once per window; ends the body with a fault when too little came since the last call. */
  checkPace(body: Readable): void {
    const { minBytesPerSecond, throughputWindowMs } = this.#limits;
    const came = this.#wire - this.#wireAtWindowStart;
    this.#wireAtWindowStart = this.#wire;
    if (came >= (minBytesPerSecond * throughputWindowMs) / 1000) return;
    body.destroy(new EgressFault('transient', `${this.#host} sent its body slower than ${minBytesPerSecond} bytes/s`));
  }

  tooLarge(limitBytes: number): EgressFault {
    return new EgressFault('invalid', `${this.#host} sent a body over the limit of ${limitBytes} bytes`);
  }

  #checkInflated(bytes: number): void {
    if (bytes > this.#limits.inflatedBytes) throw this.tooLarge(this.#limits.inflatedBytes);
  }
}
