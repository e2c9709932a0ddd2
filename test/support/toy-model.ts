/** A model of a few lines for tests of what is around models: its logits are a function of a sequence's tokens alone. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What one step was asked for: how many tokens of which sequence, by the number of its opening. */
export type ToyStep = readonly { readonly sequence: number; readonly tokens: number }[];

export interface ToySequence {
  readonly length: number;
  truncate(length: number): void;
  close(): void;
}

export interface ToyModel {
  open(): ToySequence;
  step(
    batch: readonly { readonly sequence: ToySequence; readonly tokens: readonly number[] }[],
    signal: AbortSignal,
  ): Promise<Float32Array[]>;
  readonly steps: readonly ToyStep[];
  /** Opened and not closed. */
  readonly openSequences: number;
}

export interface ToyOptions {
  readonly vocabulary: number;
  /** The logits behind these tokens. Default: a hash of the last few and of their number, between -4 and 4. */
  readonly logits?: (tokens: readonly number[], vocabulary: number) => Float32Array;
  /** Waited for in each step; what it throws, the step throws. */
  readonly during?: (step: number, signal: AbortSignal) => Promise<void>;
}

class Held implements ToySequence {
  readonly tokens: number[] = [];
  readonly number: number;
  readonly #closed: () => void;
  #open = true;

  constructor(number: number, closed: () => void) {
    this.number = number;
    this.#closed = closed;
  }

  get length(): number {
    return this.tokens.length;
  }

  truncate(length: number): void {
    if (!this.#open || length > this.tokens.length) throw new Error(`cannot cut sequence ${this.number} to ${length}`);
    this.tokens.length = length;
  }

  push(tokens: readonly number[]): void {
    if (!this.#open || tokens.length === 0) throw new Error(`nothing to add to sequence ${this.number}, or closed`);
    this.tokens.push(...tokens);
  }

  close(): void {
    if (!this.#open) throw new Error(`sequence ${this.number} is closed twice`);
    this.#open = false;
    this.#closed();
  }
}

export function toyModel({ vocabulary, logits = hashed, during = async () => {} }: ToyOptions): ToyModel {
  const steps: ToyStep[] = [];
  let [opened, closed] = [0, 0];
  return {
    steps,
    get openSequences() {
      return opened - closed;
    },
    open: () => new Held(opened++, () => closed++),
    async step(batch, signal) {
      steps.push(batch.map(({ sequence, tokens }) => ({ sequence: heldOf(sequence).number, tokens: tokens.length })));
      await nextTurn();
      await during(steps.length, signal);
      signal.throwIfAborted();
      return batch.map(({ sequence, tokens }) => {
        const held = heldOf(sequence);
        held.push(tokens);
        return logits(held.tokens, vocabulary);
      });
    },
  };
}

function heldOf(sequence: ToySequence): Held {
  if (!(sequence instanceof Held)) throw new Error('a sequence of another model');
  return sequence;
}

function hashed(tokens: readonly number[], vocabulary: number): Float32Array {
  let state = tokens.length;
  for (const token of tokens.slice(-4)) state = Math.imul(state ^ token, 0x9e3779b1) >>> 0;
  return Float32Array.from({ length: vocabulary }, (_, id) => {
    let mixed = Math.imul(state ^ Math.imul(id + 1, 0x85ebca6b), 0xc2b2ae35);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x27d4eb2f) >>> 0;
    return (mixed / 2 ** 32) * 8 - 4;
  });
}
