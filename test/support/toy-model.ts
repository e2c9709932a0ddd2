/** A model of a few lines for tests of what is around models: its logits are a function of a text's tokens alone. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What one step was asked for: of each text, how many tokens behind how many. */
export type ToyStep = readonly { readonly position: number; readonly tokens: number }[];

export interface ToyPart {
  readonly pages: readonly number[];
  readonly position: number;
  readonly tokens: readonly number[];
}

export interface ToyModel {
  step(batch: readonly ToyPart[], signal: AbortSignal): Promise<Float32Array[]>;
  readonly steps: readonly ToyStep[];
}

export interface ToyOptions {
  readonly vocabulary: number;
  /** The logits behind these tokens. Default: a hash of the last few and of their number, between -4 and 4. */
  readonly logits?: (tokens: readonly number[], vocabulary: number) => Float32Array;
  /** Waited for in each step; what it throws, the step throws. */
  readonly during?: (step: number, signal: AbortSignal) => Promise<void>;
}

/**
 * What it knows of a text is what its pages hold: the token ids, as a real one's hold keys and values. Wrong pages make
 * wrong texts.
 */
export function toyModel({ vocabulary, logits = hashed, during = async () => {} }: ToyOptions): ToyModel {
  const steps: ToyStep[] = [];
  const pages = new Map<number, number[]>();
  const textOf = (part: ToyPart): number[] => {
    const text = part.pages.flatMap((page) => pages.get(page) ?? []);
    if (text.length < part.position) throw new Error(`the pages hold ${text.length} tokens, not ${part.position}`);
    return [...text.slice(0, part.position), ...part.tokens];
  };
  return {
    steps,
    async step(batch, signal) {
      steps.push(batch.map(({ position, tokens }) => ({ position, tokens: tokens.length })));
      await nextTurn();
      await during(steps.length, signal);
      signal.throwIfAborted();
      const texts = batch.map(textOf);
      for (const [i, part] of batch.entries()) {
        for (const [at, page] of part.pages.entries()) pages.set(page, texts[i]?.slice(16 * at, 16 * (at + 1)) ?? []);
      }
      return texts.map((text) => logits(text, vocabulary));
    },
  };
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
