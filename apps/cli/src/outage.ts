import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '#errors';
import { Refused } from './client.ts';
import type { Progress } from './progress.ts';

/** How long a server may be away, and the pauses between two tries: each twice the one before, up to `mostMs`. */
export interface Patience {
  readonly limitMs: number;
  readonly firstMs: number;
  readonly mostMs: number;
}

const aMinute: Patience = { limitMs: 60_000, firstMs: 250, mostMs: 2_000 };

/** A gateway, or a proxy before it, that cannot answer now. */
const away: ReadonlySet<number> = new Set([502, 503, 504]);

/** The server is away and may come back; what it was asked has to be asked again. */
export function isOutage(error: unknown): error is Unavailable | Refused {
  return error instanceof Unavailable || (error instanceof Refused && away.has(error.status));
}

export interface OutageOptions {
  /** Told once of each outage. */
  readonly progress: Pick<Progress, 'note'>;
  /** Ends the waiting, with the error that began it. */
  readonly interrupted: AbortSignal;
  readonly patience?: Patience;
}

/** Whether the server has answered in this attempt, and when first. */
export class Contact {
  #since: number | null = null;

  /** To be called when the server has answered. */
  made(): void {
    this.#since ??= performance.now();
  }

  /** For how long there has been contact; null: never. */
  get ms(): number | null {
    return this.#since === null ? null : performance.now() - this.#since;
  }
}

/**
 * Repeats `attempt`, which must be safe to repeat, as long as the server is away. A contact shorter than the longest
 * pause does not end an outage: a server that answers and breaks off, over and over, is away.
 * @param attempt says when contact was made; where the first one makes none it is not repeated, because there may be no
 * server at all
 * @throws the last error, when the server has been away for too long
 */
export async function outlast<T>(
  attempt: (contact: Contact) => Promise<T>,
  { progress, interrupted, patience: { limitMs, firstMs, mostMs } = aMinute }: OutageOptions,
): Promise<T> {
  let outage: { readonly sinceMs: number; readonly waitMs: number } | null = null;
  for (;;) {
    const contact = new Contact();
    try {
      return await attempt(contact);
    } catch (error) {
      if (!isOutage(error)) throw error;
      const now = performance.now();
      const known: boolean = outage !== null || contact.ms !== null || error instanceof Refused;
      if (!known) throw error;
      const over: boolean = outage !== null && (contact.ms ?? 0) >= mostMs;
      if (outage === null || over) progress.note('connection lost, reconnecting');
      outage = outage === null || over ? { sinceMs: now, waitMs: firstMs } : longer(outage, mostMs);
      const pauseMs = Math.max(outage.waitMs, error instanceof Refused ? (error.retryAfterMs ?? 0) : 0);
      if (now + pauseMs > outage.sinceMs + limitMs) throw error;
      await sleep(pauseMs, undefined, { signal: interrupted }).catch(() => undefined);
      if (interrupted.aborted) throw error;
    }
  }
}

function longer<O extends { readonly waitMs: number }>(outage: O, mostMs: number): O {
  return { ...outage, waitMs: Math.min(2 * outage.waitMs, mostMs) };
}
