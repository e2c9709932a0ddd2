import type { Client, ClientReadableStream } from '@grpc/grpc-js';
import type { expert } from '#contracts/rpc';
import { shardService } from '../transport/channel.ts';

export interface BeatLimits {
  /** Between signs of life; after `missedBeats` without one the shard is lost. */
  readonly beatMs: number;
  readonly missedBeats: number;
  /** To the first sign of life. */
  readonly openMs: number;
}

/** Who is told of what a shard's signs of life mean. */
export interface BeatListener {
  /** They ended or fell silent. */
  lose(error: unknown): void;
  draining(): void;
}

/** A shard's signs of life: its `Stats` stream, and a watch on how long ago it last spoke. */
export class Heartbeat {
  /** Done with the first sign of life. */
  readonly first: Promise<expert.StatsResponse>;
  readonly #stream: ClientReadableStream<expert.StatsResponse>;
  readonly #silenceMs: number;
  readonly #listener: BeatListener;
  #watch: NodeJS.Timeout;
  #beats = 0;
  #draining = false;
  #refuse: (reason: unknown) => void = () => undefined;

  constructor(client: Client, limits: BeatLimits, listener: BeatListener) {
    const { path, requestSerialize, responseDeserialize } = shardService.stats;
    this.#silenceMs = limits.beatMs * limits.missedBeats;
    this.#listener = listener;
    this.#stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      intervalMs: limits.beatMs,
    });
    this.#watch = setTimeout(() => this.#silent(limits.openMs), limits.openMs);
    this.first = new Promise((resolve, reject) => {
      this.#refuse = reject;
      this.#stream.once('data', resolve);
    });
    this.first.catch(() => undefined);
    this.#stream.on('data', (state: expert.StatsResponse) => this.#beat(state));
    this.#stream.on('error', (error) => listener.lose(error));
    this.#stream.on('end', () => listener.lose(new Error('it ended its signs of life')));
  }

  get draining(): boolean {
    return this.#draining;
  }

  stop(reason: unknown): void {
    clearTimeout(this.#watch);
    this.#refuse(reason);
    this.#stream.cancel();
  }

  #beat({ draining }: expert.StatsResponse): void {
    this.#beats += 1;
    const news = draining && !this.#draining;
    this.#draining = draining;
    if (news) this.#listener.draining();
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#silent(this.#silenceMs), this.#silenceMs);
  }

  /** This process may itself have been held up: what has come meanwhile is read before the shard is given up. */
  #silent(limitMs: number): void {
    const beats = this.#beats;
    setImmediate(() =>
      setImmediate(() => {
        if (this.#beats === beats) this.#listener.lose(new Error(`it gave no sign of life for ${limitMs} ms`));
      }),
    );
  }
}
