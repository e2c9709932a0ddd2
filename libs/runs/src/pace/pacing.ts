import { setTimeout as sleep } from 'node:timers/promises';
import { Aborted } from '#errors';
import { awaitHint, type Bus } from '../bus.ts';
import { turns } from '../instruments.ts';
import { nameOf } from '../key-name.ts';
import { checkRule, dayMs, type Gate, type Grant, intervalMs, type PaceRule, type Refusal } from './gate.ts';

/**
 * Leave to ask, or why not. `busy`: no turn came free within the patience; `resting`: a break was asked for; `quota`: the
 * day's turns are used up. `retryAfterMs` is a lower bound.
 */
export type Turn =
  | { readonly granted: true; readonly done: () => Promise<void> }
  | { readonly granted: false; readonly why: 'busy' | 'resting' | 'quota'; readonly retryAfterMs: number };

/** How long a caller waits, and what ends its wait. */
interface Patience {
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** Those who wait at one key in this process, in the order in which they came. */
interface Line {
  readonly places: Place[];
  /** Why the first of them still waits; null while it asks. */
  refusal: Refusal | null;
}

interface Place {
  /** Resolves when all who came before have left. */
  readonly front: Promise<void>;
  readonly come: () => void;
}

/** How often a full gate is asked although no turn was said to be free: its holder may have died, or the word was lost. */
const lookMs = 1_000;

/** What a timer can wait. */
const longestSleepMs = 2 ** 31 - 1;

/** Most who may wait at one key in one process. */
const mostWaiting = 10_000;

/**
 * Hands out turns, over however many processes share the gate. Of those who wait at a key in one process only the first
 * asks the gate, so the asking grows with the turns and not with those who wait.
 */
export class Pacing {
  readonly #gate: Gate;
  readonly #bus: Bus;
  readonly #lines = new Map<string, Line>();

  constructor(gate: Gate, bus: Bus) {
    this.#gate = gate;
    this.#bus = bus;
  }

  /**
   * Waits for a turn at `key` for at most `patienceMs`; says at once when the wait would surely be longer.
   * @throws Aborted when `signal` fires; RangeError for a rule that no turn could keep
   */
  async turn(key: string, rule: PaceRule, patience: Patience): Promise<Turn> {
    checkRule(rule);
    const until = performance.now() + patience.patienceMs;
    const line = this.#lines.get(key) ?? { places: [], refusal: null };
    this.#lines.set(key, line);
    const place = stand(line);
    try {
      const turn = await this.#wait(key, rule, { line, place, until, signal: patience.signal });
      turns.add(1, { outcome: turn.granted ? 'granted' : turn.why });
      return turn;
    } finally {
      leave(line, place);
      if (line.places.length === 0) this.#lines.delete(key);
    }
  }

  /** Nobody gets a turn at `key` for this long, a day at most: the other side said so or keeps failing. */
  async rest(key: string, ms: number): Promise<void> {
    if (ms > 0) await this.#gate.rest(key, Math.min(ms, dayMs));
  }

  async #wait(key: string, rule: PaceRule, waiting: Waiting): Promise<Turn> {
    const { line, place, until, signal } = waiting;
    if (line.places.length > mostWaiting) return refused(line.refusal, rule, line.places.length);
    await reachFront(line, waiting);
    stopIf(signal, key);
    const ahead = line.places.indexOf(place);
    if (ahead > 0 && line.refusal !== null) return refused(line.refusal, rule, ahead);
    for (let listens = false; ; ) {
      const leftMs = Math.max(0, until - performance.now());
      // Begun before the look, so that no word of a free turn falls between the two.
      const hint = listens ? awaitHint(this.#bus, topicOf(key), Math.min(lookMs, leftMs), signal) : null;
      try {
        const look = await this.#gate.take(key, rule);
        line.refusal = look.granted ? null : look;
        if (look.granted) return await this.#granted(key, look, signal);
        if (look.why === 'full' ? leftMs === 0 : look.retryAfterMs > leftMs) return refused(look, rule, 0);
        listens = look.why === 'full';
        if (!listens) await pause(look.retryAfterMs, signal);
        else await hint?.came;
        stopIf(signal, key);
      } finally {
        hint?.drop();
      }
    }
  }

  async #granted(key: string, grant: Grant, signal: AbortSignal): Promise<Turn> {
    const done = async (): Promise<void> => {
      await grant.give();
      this.#bus.publish(topicOf(key));
    };
    if (signal.aborted) await done();
    stopIf(signal, key);
    return { granted: true, done };
  }
}

interface Waiting {
  readonly line: Line;
  readonly place: Place;
  /** When the patience ends, on the clock of `performance`. */
  readonly until: number;
  readonly signal: AbortSignal;
}

function topicOf(key: string): string {
  return `turn ${nameOf(key)}`;
}

function stand({ places }: Line): Place {
  const { promise: front, resolve: come } = Promise.withResolvers<void>();
  const place = { front, come };
  if (places.push(place) === 1) come();
  return place;
}

function leave({ places }: Line, place: Place): void {
  places.splice(places.indexOf(place), 1);
  places[0]?.come();
}

/** Waits until the place is the first of its line, the patience is over or the signal fires. */
async function reachFront({ places }: Line, { place, until, signal }: Waiting): Promise<void> {
  if (places[0] === place) return;
  const reached = new AbortController();
  const late = pause(until - performance.now(), AbortSignal.any([signal, reached.signal]));
  await Promise.race([place.front, late]);
  reached.abort();
}

/** Ends early when the signal fires. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.min(Math.max(0, ms), longestSleepMs), undefined, { signal }).catch(() => undefined);
}

function stopIf(signal: AbortSignal, key: string): void {
  if (signal.aborted) throw new Aborted(`The wait for a turn at ${key} was ended.`, { cause: signal.reason });
}

/** @param ahead how many wait before this one: each of them takes its time at the rate */
function refused(refusal: Refusal | null, rule: PaceRule, ahead: number): Turn {
  const retryAfterMs = Math.ceil((refusal?.retryAfterMs ?? 0) + ahead * intervalMs(rule));
  const why = refusal === null || refusal.why === 'rate' || refusal.why === 'full' ? 'busy' : refusal.why;
  return { granted: false, why, retryAfterMs };
}
