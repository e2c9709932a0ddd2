import type { Finished, FinishReason } from '#moe';
import { counter, gauge, histogram, longSecondsBoundaries } from '#platform';
import type { Replies } from './engine.ts';

const reasons: readonly FinishReason[] = ['stop', 'length', 'context', 'aborted', 'deadline'];

const generations = counter(
  'argosy_inference_generations_total',
  'Replies that came to an end, by why.',
  [...reasons, 'failed'].map((reason) => ({ reason })),
);
const tokens = counter(
  'argosy_inference_tokens_total',
  'Tokens of replies that came to an end; cached ones are a part of the prompt.',
  ['prompt', 'cached', 'completion'].map((kind) => ({ kind })),
);
const duration = histogram(
  'argosy_inference_generation_duration_seconds',
  'Replies from the arrival of their request to their last token.',
  longSecondsBoundaries,
);
const running = gauge('argosy_inference_generations', 'Replies under way and requests that wait for a place.');
const keyValues = gauge('argosy_inference_kv_tokens', 'Tokens whose keys and values are held, and what is reserved.');
const sessions = gauge('argosy_inference_sessions', 'Sessions whose keys and values are held.');

/** Notes a reply that ended. */
export function generated({ reason, promptTokens, cachedTokens, completionTokens }: Finished, ms: number): void {
  generations.add(1, { reason });
  tokens.add(promptTokens, { kind: 'prompt' });
  tokens.add(cachedTokens, { kind: 'cached' });
  tokens.add(completionTokens, { kind: 'completion' });
  duration.record(ms / 1000);
}

/** Notes a reply that ended with an error, before or behind its first token. */
export function failed(): void {
  generations.add(1, { reason: 'failed' });
}

/** States the load whenever the metrics are read; what is not known is left out. @returns ends that */
export function stating(generator: Replies): () => void {
  const ends = [
    running.from(() => [
      ...known(generator.load.running, { state: 'running' }),
      ...known(generator.load.waiting, { state: 'waiting' }),
    ]),
    keyValues.from(() => [
      ...known(generator.load.kvUsedTokens, { state: 'used' }),
      ...known(generator.load.reservedTokens, { state: 'reserved' }),
    ]),
    sessions.from(() => known(generator.load.residentSessions)),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function known(value: number | undefined, labels: Readonly<Record<string, string>> = {}) {
  return value === undefined ? [] : [{ value, labels }];
}
