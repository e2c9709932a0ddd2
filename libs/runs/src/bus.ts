import { EventEmitter } from 'node:events';

/**
 * Hints between processes: "something about this topic changed, look at the database". A hint may be lost, so every
 * listener also polls slowly. `message` carries only what may be lost, such as token deltas.
 */
export interface Bus {
  publish(topic: string, message?: string): void;
  /** @returns a function that ends the subscription. */
  subscribe(topic: string, listener: (message: string) => void): () => void;
}

/** The bus of a single process. */
export class LocalBus implements Bus {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  publish(topic: string, message = ''): void {
    this.#emitter.emit(topic, message);
  }

  subscribe(topic: string, listener: (message: string) => void): () => void {
    this.#emitter.on(topic, listener);
    return () => void this.#emitter.off(topic, listener);
  }
}

/** Topics of one run. */
export const topics = {
  /** Events of the run were committed. */
  moved: (tenantId: string, runId: string) => `moved ${tenantId} ${runId}`,
  /** A call of the run has a result. */
  called: (tenantId: string, runId: string) => `called ${tenantId} ${runId}`,
  /** Flags of the run were set. */
  flagged: (tenantId: string, runId: string) => `flagged ${tenantId} ${runId}`,
  /** Text as a model writes it. */
  delta: (tenantId: string, runId: string) => `delta ${tenantId} ${runId}`,
  /** A key was revoked; its id is the message. */
  keys: 'keys',
  /** A secret was set or deleted; its tenant and name are the message. */
  secrets: 'secrets',
  /** A run was accepted or handed back. */
  backlog: 'backlog',
} as const;

/** A wait that began before its caller looked at the database, so that no hint falls between the two. */
export interface Hint {
  /** Resolves when the topic was hinted at, the time is up or the signal fired. */
  readonly came: Promise<void>;
  /** Ends the wait; call it always. */
  drop(): void;
}

/** Begins to wait for a hint: begin, look at the database, and only if nothing is there await `came`. */
export function awaitHint(bus: Bus, topic: string, limitMs: number, signal: AbortSignal): Hint {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  const unsubscribe = bus.subscribe(topic, () => resolve());
  const onAbort = () => resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) resolve();
  const drop = () => {
    clearTimeout(timer);
    unsubscribe();
    signal.removeEventListener('abort', onAbort);
    resolve();
  };
  return { came: promise, drop };
}
