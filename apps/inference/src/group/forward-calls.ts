import { type Client, type ClientDuplexStream, status } from '@grpc/grpc-js';
import { Aborted } from '#errors';
import { decodeRows, encodeRows, wireBytes } from '#moe';
import { shardService } from '../transport/channel.ts';
import { decodeRowsOf, encodeBatch, type ForwardRows } from '../transport/forward-message.ts';
import { codeOfCall } from '../transport/status.ts';
import { hopped } from './instruments.ts';
import type { ShardCall } from './shard.ts';

interface Waiting {
  readonly call: ShardCall;
  readonly bytes: number;
  /** When it was sent, and how large it was on the wire. */
  readonly sent: { readonly atMs: number; readonly bytes: number };
  resolve(y: Float32Array): void;
  reject(reason: unknown): void;
}

/** One who waits until there is room; `go` is called once. */
interface Queued {
  readonly bytes: number;
  go(): void;
  refuse(reason: unknown): void;
}

/**
 * The stream of activations to one shard. Answers may overtake each other. What is sent and not answered is bounded; so is
 * what the stream itself holds back when the shard does not read.
 */
export class ForwardCalls {
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #mostBytes: number;
  readonly #lose: (error: unknown) => void;
  readonly #waiting = new Map<number, Waiting>();
  #queue: Queued[] = [];
  #nextSeq = 1;
  #inFlightBytes = 0;
  #held = false;
  #over: { readonly reason: unknown } | null = null;

  /** @param lose is told why when the stream ends or a shard answers what it was not asked */
  constructor(client: Client, mostBytes: number, lose: (error: unknown) => void) {
    const { path, requestSerialize, responseDeserialize } = shardService.forward;
    this.#mostBytes = mostBytes;
    this.#lose = lose;
    this.#stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#stream.on('data', (bytes: Buffer) => this.#onAnswer(bytes));
    this.#stream.on('drain', () => {
      this.#held = false;
      this.#admit();
    });
    this.#stream.on('error', (error) => this.#onError(error));
    this.#stream.on('end', () => lose(new Error('it ended the stream of activations')));
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** @throws ShardLost, Aborted */
  async ask(call: ShardCall, signal: AbortSignal): Promise<Float32Array> {
    if (signal.aborted) throw stopped(signal);
    const bytes = call.x.length * wireBytes[call.format] + answerLength(call) * wireBytes[call.format];
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => settle.reject(stopped(signal));
      const left = (): void => signal.removeEventListener('abort', onAbort);
      const settle = {
        resolve: (y: Float32Array) => {
          left();
          resolve(y);
        },
        reject: (reason: unknown) => {
          left();
          this.#queue = this.#queue.filter((other) => other !== queued);
          reject(reason);
        },
      };
      const queued: Queued = {
        bytes,
        go: () => this.#send({ call, bytes, ...settle }),
        refuse: settle.reject,
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (this.#over !== null) settle.reject(this.#over.reason);
      else this.#queue.push(queued);
      this.#admit();
    });
  }

  /** Everything under way and all further calls fail with this. */
  fail(reason: unknown): void {
    this.#over ??= { reason };
    for (const { refuse } of this.#queue.splice(0)) refuse(reason);
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    this.#inFlightBytes = 0;
    this.#stream.cancel();
  }

  /** Sends what has room, in the order in which it came. A call that has none alone goes alone. */
  #admit(): void {
    while (!this.#held) {
      const [next] = this.#queue;
      if (next === undefined) return;
      if (this.#inFlightBytes > 0 && this.#inFlightBytes + next.bytes > this.#mostBytes) return;
      this.#queue.shift();
      next.go();
    }
  }

  #send(waiting: Omit<Waiting, 'sent'>): void {
    const { planEpoch, layer, slice, x, mode, format, traceparent = '' } = waiting.call;
    const seq = this.#nextSeq++;
    const { experts, offsets, tokens, weights, rows } = slice;
    const batch = {
      seq,
      planEpoch,
      layer,
      format,
      mode,
      experts,
      offsets,
      tokens,
      weights,
      rows: rows.length,
      traceparent,
    };
    const encoded = encodeBatch({ ...batch, x: encodeRows(x, format) });
    this.#waiting.set(seq, { ...waiting, sent: { atMs: performance.now(), bytes: encoded.length } });
    this.#inFlightBytes += waiting.bytes;
    this.#held = !this.#stream.write(encoded);
  }

  #onAnswer(bytes: Buffer): void {
    try {
      const rows = decodeRowsOf(bytes);
      const waiting = this.#waiting.get(rows.seq);
      if (waiting === undefined) throw new Error(`it answered batch ${rows.seq}, which nobody waits for`);
      refuseOther(waiting.call, rows);
      const y = decodeRows(rows.y, rows.format);
      if (y.length !== answerLength(waiting.call)) {
        throw new Error(`it answered ${y.length} numbers where ${answerLength(waiting.call)} belong`);
      }
      this.#waiting.delete(rows.seq);
      this.#inFlightBytes -= waiting.bytes;
      const { atMs, bytes: sentBytes } = waiting.sent;
      const ms = performance.now() - atMs;
      hopped({ ms, computeMs: rows.computeUs / 1000, sentBytes, receivedBytes: bytes.length });
      waiting.resolve(y);
      this.#admit();
    } catch (error) {
      this.#lose(error);
    }
  }

  /** What the shard calls nonsense is nonsense for a replica, too. */
  #onError(error: Error): void {
    if (codeOfCall(error) === status.INVALID_ARGUMENT) {
      const bug = new Error(`a shard refused a batch: ${error.message}`, { cause: error });
      for (const { reject } of this.#waiting.values()) reject(bug);
      this.#waiting.clear();
    }
    this.#lose(error);
  }
}

function answerLength({ slice, x, mode }: ShardCall): number {
  if (slice.rows.length === 0) return 0;
  return (x.length / slice.rows.length) * (mode === 'deterministic' ? slice.pairs.length : slice.rows.length);
}

function refuseOther({ planEpoch, layer, format, mode, slice }: ShardCall, rows: ForwardRows): void {
  const wanted = mode === 'reduced' ? slice.rows.length : 0;
  const whole = rows.rowIndices.length === wanted && rows.rowIndices.every((row, at) => row === at);
  if (rows.planEpoch === planEpoch && rows.layer === layer && rows.format === format && whole) return;
  throw new Error(`it answered layer ${rows.layer} of placement ${rows.planEpoch} to layer ${layer} of ${planEpoch}`);
}

function stopped(signal: AbortSignal): Aborted {
  return new Aborted('The experts were stopped', { cause: signal.reason });
}
