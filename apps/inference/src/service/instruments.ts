import type { Finished, FinishReason } from '#moe';
import { Instruments, longSecondsBoundaries } from '#platform';
import type { Replies } from './engine.ts';

const serving = new Instruments('coordinator', 'adapter');

const reasons = ['stop', 'length', 'context', 'aborted', 'deadline'] as const satisfies FinishReason[];

const generations = serving.counter('argosy_inference_generations_total', 'Replies that came to an end, by why.', {
  reason: [...reasons, 'failed'],
});
const tokens = serving.counter(
  'argosy_inference_tokens_total',
  'Tokens of replies that came to an end; cached ones are a part of the prompt.',
  { kind: ['prompt', 'cached', 'completion'] },
);
const duration = serving.histogram(
  'argosy_inference_generation_duration_seconds',
  'Replies from the arrival of their request to their last token.',
  { boundaries: longSecondsBoundaries },
);
const running = serving.gauge('argosy_inference_generations', 'Replies under way and requests that wait for a place.', {
  state: ['running', 'waiting'],
});
const keyValues = serving.gauge(
  'argosy_inference_kv_tokens',
  'Tokens whose keys and values are held, and what is reserved.',
  { state: ['used', 'reserved'] },
);
const sessions = serving.gauge('argosy_inference_sessions', 'Sessions whose keys and values are held.');

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
      ...known(generator.load.running, { state: 'running' } as const),
      ...known(generator.load.waiting, { state: 'waiting' } as const),
    ]),
    keyValues.from(() => [
      ...known(generator.load.kvUsedTokens, { state: 'used' } as const),
      ...known(generator.load.reservedTokens, { state: 'reserved' } as const),
    ]),
    sessions.from(() => known(generator.load.residentSessions, {})),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function known<L>(value: number | undefined, labels: L): { readonly value: number; readonly labels: L }[] {
  return value === undefined ? [] : [{ value, labels }];
}
