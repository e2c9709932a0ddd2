import { Readable } from 'node:stream';
import type { Runs, StoredEvent } from '#runs';
import { eventStreams, slowClients } from './instruments.ts';
import { endedSse, heartbeatSse, toDeltaSse, toSse } from './resources.ts';

/** What all event streams of a gateway have in common. */
export interface StreamSettings {
  /** Time between two comments that keep a quiet stream open. */
  readonly heartbeatMs: number;
  /** A client that takes nothing for this long, while there is something for it, is cut off. */
  readonly stallMs: number;
  /** Ends every stream; clients resume elsewhere. */
  readonly closing: AbortSignal;
}

export interface FollowOptions {
  readonly tenantId: string;
  readonly runId: string;
  /** Number of the last durable event that the client has; 0 for none. */
  readonly after: number;
  /** Fires when the client may not go on. */
  readonly ends: AbortSignal;
}

/** Most bytes that wait for one client in this process, but for a single event that is longer. */
const mostWaitingBytes = 16 * 1024;

/** The event streams of a gateway. Each is a few objects and no timer of its own: thousands of quiet ones are cheap. */
export class EventStreams {
  readonly #runs: Runs;
  readonly #settings: StreamSettings;
  readonly #open = new Set<EventStream>();
  #timer: NodeJS.Timeout | undefined;

  constructor(runs: Runs, settings: StreamSettings) {
    this.#runs = runs;
    this.#settings = settings;
    settings.closing.addEventListener('abort', () => this.#end());
  }

  /** A run's events as they come, ending with the terminal one. A client that leaves ends the stream and nothing else. */
  open(options: FollowOptions): Readable {
    const stream = new EventStream(this.#runs, options, this.#settings.stallMs);
    this.#open.add(stream);
    eventStreams.add(1);
    stream.once('close', () => {
      eventStreams.add(-1);
      this.#open.delete(stream);
      if (this.#open.size === 0) clearInterval(this.#timer);
      if (this.#open.size === 0) this.#timer = undefined;
    });
    // Looks around four times as often, so that what is due is late by a quarter at most.
    this.#timer ??= setInterval(() => this.#beat(), this.#settings.heartbeatMs / 4);
    if (this.#settings.closing.aborted) stream.leave();
    return stream;
  }

  #beat(): void {
    const due = performance.now() - 0.75 * this.#settings.heartbeatMs;
    for (const stream of this.#open) stream.beat(due);
  }

  #end(): void {
    for (const stream of this.#open) stream.leave();
  }
}

class EventStream extends Readable {
  readonly #runs: Runs;
  readonly #options: FollowOptions;
  readonly #stallMs: number;
  readonly #left = new AbortController();
  readonly #unsubscribe: () => void;
  /** When something was last said. */
  #saidAt = performance.now();
  /** Whether the client has yet to take what was said. */
  #isFull = false;
  #onRoom: () => void = () => undefined;

  constructor(runs: Runs, options: FollowOptions, stallMs: number) {
    super({ highWaterMark: mostWaitingBytes });
    this.#runs = runs;
    this.#options = options;
    this.#stallMs = stallMs;
    const { tenantId, runId, ends } = options;
    // Whoever reads too slowly misses deltas rather than fill our memory.
    this.#unsubscribe = runs.onDelta(tenantId, runId, (delta) => {
      if (!this.#isFull) this.#say(toDeltaSse(delta));
    });
    ends.addEventListener('abort', this.#expel);
    if (ends.aborted) this.leave();
    this.#pump().catch((error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))));
  }

  /** Ends the stream; the client comes back elsewhere with the number of its last event. */
  readonly leave = (): void => this.#left.abort();

  /** Ends the stream of a client that may not go on, and says so. */
  readonly #expel = (): void => {
    this.#say(endedSse);
    this.leave();
  };

  /** Says that the stream is still there where nothing was said since `due`. */
  beat(due: number): void {
    if (!this.#isFull && this.#saidAt <= due) this.#say(heartbeatSse);
  }

  override _read(): void {
    this.#isFull = false;
    this.#onRoom();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.leave();
    this.#options.ends.removeEventListener('abort', this.#expel);
    this.#unsubscribe();
    this.#onRoom();
    callback(error);
  }

  async #pump(): Promise<void> {
    const { tenantId, runId, after } = this.#options;
    for await (const events of this.#runs.eventBatches({ tenantId, runId }, after, this.#left.signal)) {
      // A write for each event would cost a busy server most of its time.
      for (const piece of piecesOf(events)) {
        if (this.#isFull) await this.#room();
        if (this.destroyed) return;
        this.#say(piece);
      }
    }
    this.push(null);
  }

  #say(text: string | Buffer): void {
    if (this.destroyed || this.readableEnded) return;
    this.#saidAt = performance.now();
    if (!this.push(text)) this.#isFull = true;
  }

  /** Waits until the client has taken what was said, or cuts it off. It has its position: the last `id` that it got. */
  async #room(): Promise<void> {
    const stalled = setTimeout(() => {
      slowClients.add(1);
      this.destroy(new Error('The client takes nothing.'));
    }, this.#stallMs);
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
    });
    clearTimeout(stalled);
  }
}

/** Events as they are sent, together as long as they are short; written when they are wanted. */
function* piecesOf(events: readonly StoredEvent[]): Generator<Buffer> {
  let [some, bytes]: [Buffer[], number] = [[], 0];
  for (const event of events) {
    const text = toSse(event);
    if (bytes > 0 && bytes + text.length > mostWaitingBytes) {
      yield Buffer.concat(some);
      [some, bytes] = [[], 0];
    }
    some.push(text);
    bytes += text.length;
  }
  yield Buffer.concat(some);
}
