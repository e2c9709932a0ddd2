import type { Command, Cost, ModelReply } from '#domain';
import { Aborted, type FaultKind } from '#errors';
import { ModelBusy, ModelFault } from '#model';
import { Instruments, longSecondsBoundaries, namesOf } from '#platform';

const agents = new Instruments('agent-worker');
const model = namesOf('a configured model');

type StepKind = Exclude<Command['kind'], 'conclude'>;

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

const stepDuration = agents.histogram(
  'argosy_step_duration_seconds',
  'From the beginning of a step to its commit: asking the model, calling tools, or checking an answer.',
  { labels: { kind: ['ask-model', 'call-tools', 'check'] }, boundaries: longSecondsBoundaries },
);

const spent = agents.counter(
  'argosy_spent_usd_total',
  'Money that committed steps cost, by the prices of the settings: tokens of the model, and fees of tools.',
  { model, of: ['tokens', 'fees'] },
);

const gpuTime = agents.counter(
  'argosy_gpu_seconds_total',
  'Time of GPUs that committed steps took, as far as inference groups tell it.',
  { model },
);

/** Measures the steps of one run while it is driven: how long each takes until its commit, and what it costs. */
export class StepMeter {
  readonly #model: string;
  #step: { readonly kind: StepKind; readonly startedAt: number } | null = null;

  /** @param model the configured one */
  constructor(model: string) {
    this.#model = model;
  }

  begin(kind: StepKind): void {
    this.#step = { kind, startedAt: performance.now() };
  }

  /** Without a step that has begun, which an earlier owner has committed then, nothing is measured. */
  committed(cost: Cost | undefined): void {
    if (this.#step === null) return;
    stepDuration.record((performance.now() - this.#step.startedAt) / 1000, { kind: this.#step.kind });
    const { nanoUsd = 0, feesNanoUsd = 0, gpuMs = 0 } = cost ?? {};
    spent.add((nanoUsd - feesNanoUsd) / 1e9, { model: this.#model, of: 'tokens' });
    spent.add(feesNanoUsd / 1e9, { model: this.#model, of: 'fees' });
    gpuTime.add(gpuMs / 1000, { model: this.#model });
    this.#step = null;
  }
}

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
