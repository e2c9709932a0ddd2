import type { ProxyLimits } from './limits.ts';

/** Why an exchange was ended: by a bound, by a client that went away, or because the proxy stops. */
export type Cut = 'idle' | 'too long' | 'too large' | 'left' | 'stopped';

/** Counts and times one exchange of the proxy, and cuts it where a bound is reached. */
export class Flow {
  readonly #limits: ProxyLimits;
  readonly #stopping = new AbortController();
  readonly #life: NodeJS.Timeout;
  readonly #idle: NodeJS.Timeout;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(limits: ProxyLimits) {
    this.#limits = limits;
    this.#life = setTimeout(() => this.cut('too long'), limits.exchangeMs);
    this.#idle = setTimeout(() => this.cut('idle'), limits.idleMs);
  }

  /** Fires when the exchange must end; its reason is a {@link Cut}. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** From the client. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** To the client. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  send(bytes: number): void {
    this.#sentBytes += bytes;
    this.#moved();
  }

  receive(bytes: number): void {
    this.#receivedBytes += bytes;
    this.#moved();
  }

  cut(why: Cut): void {
    this.end();
    this.#stopping.abort(why);
  }

  /** Nothing is timed any more. */
  end(): void {
    clearTimeout(this.#life);
    clearTimeout(this.#idle);
  }

  #moved(): void {
    if (this.#sentBytes + this.#receivedBytes > this.#limits.exchangeBytes) this.cut('too large');
    else if (!this.#stopping.signal.aborted) this.#idle.refresh();
  }
}
