import type { ModelReply } from '#domain';
import { Aborted, type FaultKind } from '#errors';
import { ModelBusy, ModelFault } from '#model';
import { Instruments, longSecondsBoundaries, namesOf } from '#platform';

const agents = new Instruments('agent-worker');
const model = namesOf('a configured model');

const faults = ['transient', 'quota', 'blocked', 'empty', 'invalid'] as const satisfies FaultKind[];

const duration = agents.histogram(
  'argosy_model_call_duration_seconds',
  'Model calls with all their tries: `replied`, `busy` with others, `stopped` with their run, `failed` by a bug, or the class of fault.',
  {
    labels: { model, outcome: ['replied', 'busy', 'stopped', 'failed', ...faults] },
    boundaries: longSecondsBoundaries,
  },
);

const tokens = agents.counter(
  'argosy_model_tokens_total',
  'Tokens of finished model calls; cached ones are a part of the prompt.',
  { model, kind: ['prompt', 'cached', 'completion'] },
);

/** Counts and times a call of the configured model. */
export async function measured(name: string, call: () => Promise<ModelReply>): Promise<ModelReply> {
  const startedAt = performance.now();
  const record = (outcome: ReturnType<typeof outcomeOf> | 'replied'): void =>
    duration.record((performance.now() - startedAt) / 1000, { model: name, outcome });
  try {
    const reply = await call();
    record('replied');
    tokens.add(reply.usage.promptTokens, { model: name, kind: 'prompt' });
    tokens.add(reply.usage.cachedTokens, { model: name, kind: 'cached' });
    tokens.add(reply.usage.completionTokens, { model: name, kind: 'completion' });
    return reply;
  } catch (error) {
    record(outcomeOf(error));
    throw error;
  }
}

function outcomeOf(error: unknown): FaultKind | 'busy' | 'stopped' | 'failed' {
  if (error instanceof ModelBusy) return 'busy';
  if (error instanceof ModelFault) return error.kind;
  return error instanceof Aborted ? 'stopped' : 'failed';
}
