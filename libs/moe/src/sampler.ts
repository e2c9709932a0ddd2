/** Chooses the next token. Pure: the same logits, settings, history and position give the same token. */
import { argMax, drawn, largest } from './kernels/choose.ts';
import { masked } from './kernels/masked.ts';
import type { Sampling } from './sampling.ts';

/** Which tokens a text holds already. */
export interface Seen {
  /** In prompt or reply. */
  readonly anywhere: ReadonlySet<number>;
  /** In the reply. */
  readonly reply: ReadonlySet<number>;
}

/** Where a token is to be chosen. */
export interface Place {
  /** Of the token in the whole text; below 2^32. */
  readonly position: number;
  /** A bit for each token that may be chosen, in words of 32; null for all of them. */
  readonly allowed: Uint32Array | null;
}

export interface TokenLogprob {
  readonly id: number;
  /** Natural logarithm of the model's own probability, before penalties, temperature and cuts. */
  readonly logprob: number;
}

export interface Chosen {
  readonly id: number;
  /** Null unless asked for; `top` by falling probability. */
  readonly logprobs: { readonly chosen: TokenLogprob; readonly top: readonly TokenLogprob[] } | null;
}

/**
 * @param logits f32 [vocabulary], as the model gave them; not changed
 * @throws RangeError for logits that hold a NaN or no finite number, of the tokens that are allowed
 * Cost O(vocabulary), with `topP` and no `topK` also a sort of the tokens that could be kept.
 */
export function sample(logits: Float32Array, sampling: Sampling, seen: Seen, { position, allowed }: Place): Chosen {
  const open = allowed === null ? logits : masked(logits, allowed);
  const penalised = withPenalties(open, sampling, seen);
  const id = sampling.temperature === 0 ? argMax(penalised) : drawn(penalised, sampling, position);
  if (id < 0) throw new RangeError('the logits hold NaN or no finite number: the weights of the model are damaged');
  return { id, logprobs: sampling.logprobs === null ? null : logprobsOf(logits, id, sampling.logprobs) };
}

function withPenalties(logits: Float32Array, sampling: Sampling, seen: Seen): Float32Array {
  const { presencePenalty, repetitionPenalty } = sampling;
  if (presencePenalty === 0 && repetitionPenalty === 1) return logits;
  const penalised = Float32Array.from(logits);
  if (repetitionPenalty !== 1) {
    for (const id of seen.anywhere) {
      const logit = penalised[id];
      if (logit !== undefined) penalised[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
  }
  if (presencePenalty !== 0) {
    for (const id of seen.reply) {
      const logit = penalised[id];
      if (logit !== undefined) penalised[id] = logit - presencePenalty;
    }
  }
  return penalised;
}

function logprobsOf(logits: Float32Array, id: number, count: number): NonNullable<Chosen['logprobs']> {
  const most = logits[argMax(logits)] ?? 0;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - most);
  const norm = most + Math.log(total);
  const of = (one: number): TokenLogprob => ({ id: one, logprob: (logits[one] ?? -Infinity) - norm });
  return { chosen: of(id), top: count === 0 ? [] : Array.from(largest(logits, count), of) };
}
