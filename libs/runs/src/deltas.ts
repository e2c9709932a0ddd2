import { type Bus, topics } from './bus.ts';
import type { Claim } from './store/claims.ts';

/** Text as a model writes it: for whoever watches, and worthless once the step is committed. */
export interface Delta {
  readonly epoch: number;
  readonly step: number;
  /** Counts the deltas of one writer from 0. */
  readonly number: number;
  readonly text: string;
}

/**
 * The last deltas of each run, so that whoever comes in the middle of a step sees how it began. Bounded in length and
 * time, kept apart from everything that must not be lost, and free to lose all of it.
 */
export interface DeltaTail {
  append(run: string, delta: string): void;
  /** Oldest first; empty where nothing is kept. */
  recent(run: string): Promise<readonly string[]>;
  /** Removes what is kept of a run. What cannot be reached now ends by itself. */
  forget(run: string): Promise<void>;
}

/** What deltas travel by. */
export interface DeltaPorts {
  readonly bus: Bus;
  readonly tail: DeltaTail;
}

/** Most deltas that are kept of one run: over three minutes of writing. */
export const tailLength = 2_000;

/** A model writes up to hundreds of tokens a second; a person reads some pieces of text. */
const gatherMs = 100;

/** Passes on what a model writes in one step. */
export class DeltaWriter {
  readonly #ports: DeltaPorts;
  readonly #claim: Claim;
  readonly #step: number;
  #number = 0;
  #gathered = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(ports: DeltaPorts, claim: Claim, step: number) {
    this.#ports = ports;
    this.#claim = claim;
    this.#step = step;
  }

  write(text: string): void {
    this.#gathered += text;
    this.#timer ??= setTimeout(() => this.end(), gatherMs);
  }

  /** Passes on what was gathered. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#gathered === '') return;
    const { tenantId, runId, epoch } = this.#claim;
    const delta: Delta = { epoch, step: this.#step, number: this.#number, text: this.#gathered };
    this.#number += 1;
    this.#gathered = '';
    const topic = topics.delta(tenantId, runId);
    this.#ports.tail.append(topic, JSON.stringify(delta));
    this.#ports.bus.publish(topic, JSON.stringify(delta));
  }
}

/** Calls back with the deltas of the step that is being written, from its beginning, then with each as it comes. */
export function followDeltas(
  { bus, tail }: DeltaPorts,
  { tenantId, runId }: Pick<Claim, 'tenantId' | 'runId'>,
  listener: (delta: Delta) => void,
): () => void {
  const topic = topics.delta(tenantId, runId);
  let last: Delta | null = null;
  let early: Delta[] | null = [];
  const show = (delta: Delta): void => {
    if (last !== null && !isLater(delta, last)) return;
    last = delta;
    listener(delta);
  };
  // Listens before it looks back, so that nothing falls between the two.
  const unsubscribe = bus.subscribe(topic, (message) => {
    const delta = JSON.parse(message) as Delta; // what a writer of this fleet published
    if (early === null) show(delta);
    else early.push(delta);
  });
  const catchUp = (kept: readonly string[]): void => {
    const deltas = kept.map((text) => JSON.parse(text) as Delta); // as above
    const newest = deltas.at(-1);
    for (const delta of deltas) if (delta.epoch === newest?.epoch && delta.step === newest.step) show(delta);
    for (const delta of early ?? []) show(delta);
    early = null;
  };
  tail.recent(topic).then(catchUp, () => catchUp([]));
  return unsubscribe;
}

function isLater(delta: Delta, last: Delta): boolean {
  if (delta.epoch !== last.epoch) return delta.epoch > last.epoch;
  return delta.step === last.step ? delta.number > last.number : delta.step > last.step;
}

/** Runs whose tails one process keeps. */
const mostTails = 1_000;

/** The tails of a single process. */
export class LocalTail implements DeltaTail {
  readonly #tails = new Map<string, string[]>();

  append(run: string, delta: string): void {
    const tail = this.#tails.get(run) ?? [];
    tail.push(delta);
    if (tail.length > tailLength) tail.splice(0, tail.length - tailLength);
    // The run that was written to last is the last to be forgotten.
    this.#tails.delete(run);
    this.#tails.set(run, tail);
    const [oldest] = this.#tails.keys();
    if (this.#tails.size > mostTails && oldest !== undefined) this.#tails.delete(oldest);
  }

  async recent(run: string): Promise<readonly string[]> {
    return this.#tails.get(run) ?? [];
  }

  async forget(run: string): Promise<void> {
    this.#tails.delete(run);
  }
}
