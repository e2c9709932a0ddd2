import { type ClientReadableStream, status } from '@grpc/grpc-js';
import type { inference } from '#contracts/rpc';
import type { Clock } from './clock.ts';
import type { GrpcGroup } from './grpc-channel.ts';
import { isServiceError } from './grpc-faults.ts';

/** Who is told of a group's load. */
export interface LoadListener {
  heard(load: inference.WatchLoadResponse): void;
  /** Nobody answers there. */
  lost(): void;
}

const intervalMs = 1_000;
const againMs = 1_000;

/** Watches the load of a group for as long as somebody needs it: a stream that is open keeps a process alive. */
export class LoadWatch {
  readonly #group: GrpcGroup;
  readonly #listener: LoadListener;
  readonly #clock: Clock;
  #holders = 0;
  #stop = new AbortController();
  #first = Promise.withResolvers<void>();

  constructor(group: GrpcGroup, listener: LoadListener, clock: Clock) {
    this.#group = group;
    this.#listener = listener;
    this.#clock = clock;
  }

  /** Resolves when the first word of this watch came, or none will. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  /** @returns lets go of it; call it once */
  hold(): () => void {
    if (this.#holders++ === 0) {
      this.#stop = new AbortController();
      this.#first = Promise.withResolvers();
      void this.#watch(this.#stop.signal, this.#first.resolve);
    }
    return () => {
      if (--this.#holders === 0) this.#stop.abort();
    };
  }

  /** @param begun told of the first word, or that none will come */
  async #watch(over: AbortSignal, begun: () => void): Promise<void> {
    while (!over.aborted) {
      const isOffered = await this.#listen(over, begun);
      begun();
      if (!isOffered) return;
      await this.#clock.sleep(againMs, over);
    }
  }

  /** One stream from its beginning to its end. @returns false for a group that does not tell its load */
  async #listen(over: AbortSignal, begun: () => void): Promise<boolean> {
    const stream: ClientReadableStream<inference.WatchLoadResponse> = this.#group.watchLoad(intervalMs);
    const leave = (): void => stream.cancel();
    over.addEventListener('abort', leave, { once: true });
    if (over.aborted) leave();
    try {
      for await (const load of stream as AsyncIterable<inference.WatchLoadResponse>) {
        this.#listener.heard(load);
        begun();
      }
    } catch (error) {
      if (!isServiceError(error)) throw error;
      if (error.code === status.UNIMPLEMENTED) return false;
      if (error.code === status.UNAVAILABLE && !over.aborted) this.#listener.lost();
    } finally {
      over.removeEventListener('abort', leave);
    }
    return true;
  }
}
