/** How the server beside us is: whether it can work, and what it says of its load. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '#platform';
import { type ServerLoad, serverLoad } from './engine-metrics.ts';
import type { EngineServer } from './engine-server.ts';
import { ServerAway } from './faults.ts';

export interface WatchTimes {
  readonly everyMs: number;
  /** Longest wait for one answer. */
  readonly limitMs: number;
}

const usualWatchTimes: WatchTimes = { everyMs: 1_000, limitMs: 2_000 };

/** A server that answers late may be busy: only so many looks without an answer in a row are a fault. */
const mostLate = 3;

type Look = 'well' | 'ill' | 'late';

export class ServerWatch {
  readonly #server: EngineServer;
  readonly #logger: Logger;
  readonly #times: WatchTimes;
  readonly #closed = new AbortController();
  readonly #told: ((isReady: boolean) => void)[] = [];
  #load: ServerLoad = {};
  #late = 0;
  #isReady = true;

  /** @param server that answered just now */
  constructor(server: EngineServer, logger: Logger, times: WatchTimes = usualWatchTimes) {
    this.#server = server;
    this.#logger = logger;
    this.#times = times;
    void this.#watch();
  }

  /** As the last look found it; empty where it found nothing. */
  get load(): ServerLoad {
    return this.#load;
  }

  /** Tells whenever the server comes to be able to work, or not to be. */
  onReady(tell: (isReady: boolean) => void): void {
    this.#told.push(tell);
    tell(this.#isReady);
  }

  /** @throws ServerAway as long as the server cannot work */
  async check(): Promise<void> {
    if (this.#isReady) return;
    throw new ServerAway(`the server at ${this.#server.address} cannot work: its /health says so, or does not answer`);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#server.close();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      const [look, load] = await Promise.all([this.#health(), this.#metrics()]);
      if (signal.aborted) return;
      this.#load = load;
      this.#note(look);
      await pause(this.#times.everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #note(look: Look): void {
    this.#late = look === 'late' ? this.#late + 1 : 0;
    if (look === 'late' && this.#late < mostLate) return;
    const isReady = look === 'well';
    if (isReady === this.#isReady) return;
    this.#isReady = isReady;
    const event = isReady ? 'server can work again' : 'server cannot work';
    this.#logger.log(isReady ? 'info' : 'warn', event, { address: this.#server.address, look });
    for (const tell of this.#told) tell(isReady);
  }

  async #health(): Promise<Look> {
    const late = AbortSignal.timeout(this.#times.limitMs);
    try {
      const { status } = await this.#server.get('/health', AbortSignal.any([late, this.#closed.signal]));
      return status === 200 ? 'well' : 'ill';
    } catch {
      // Whatever it was, the next look tells whether it lasts.
      return late.aborted ? 'late' : 'ill';
    }
  }

  async #metrics(): Promise<ServerLoad> {
    const signal = AbortSignal.any([AbortSignal.timeout(this.#times.limitMs), this.#closed.signal]);
    // Without metrics the load is unknown, and the server may work all the same.
    const { status, text } = await this.#server.get('/metrics', signal).catch(() => ({ status: 0, text: '' }));
    return status === 200 ? serverLoad(text) : {};
  }
}
