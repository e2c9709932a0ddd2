import type { ModelReply } from '#domain';
import { Aborted } from '#errors';
import { ModelFault } from '#model';
import { counter, histogram, longSecondsBoundaries } from '#platform';

const duration = histogram(
  'argosy_model_call_duration_seconds',
  'Model calls with all their tries, by configured model and outcome.',
  longSecondsBoundaries,
);

const tokens = counter(
  'argosy_model_tokens_total',
  'Tokens of finished model calls; cached ones are a part of the prompt.',
  [],
);

/** Counts and times a call of the configured model. */
export async function measured(model: string, call: () => Promise<ModelReply>): Promise<ModelReply> {
  const startedAt = performance.now();
  const record = (outcome: string): void => duration.record((performance.now() - startedAt) / 1000, { model, outcome });
  try {
    const reply = await call();
    record('replied');
    tokens.add(reply.usage.promptTokens, { model, kind: 'prompt' });
    tokens.add(reply.usage.cachedTokens, { model, kind: 'cached' });
    tokens.add(reply.usage.completionTokens, { model, kind: 'completion' });
    return reply;
  } catch (error) {
    record(error instanceof ModelFault ? error.kind : error instanceof Aborted ? 'stopped' : 'failed');
    throw error;
  }
}
