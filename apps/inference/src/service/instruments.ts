import { ArgosyError } from '#errors';
import type { Finished, FinishReason, GenerationEvent, Model } from '#moe';
import { Instruments, longSecondsBoundaries } from '#platform';
import type { Engine } from './engine.ts';

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
const queueDuration = serving.histogram(
  'argosy_inference_queue_duration_seconds',
  'How long requests waited for a place in the batch.',
  { boundaries: longSecondsBoundaries },
);
const firstToken = serving.histogram(
  'argosy_inference_first_token_duration_seconds',
  'From the arrival of a request to its first token.',
  { boundaries: longSecondsBoundaries },
);
const refusalCodes: readonly string[] = [
  ...['no_room', 'sessions_full', 'draining', 'going_away', 'prompt_too_long', 'validation_failed'],
  ...['already_running', 'aborted', 'deadline_exceeded', 'unavailable', 'server_away', 'constraint_too_large'],
];
const refusals = serving.counter(
  'argosy_inference_refusals_total',
  'Requests that came to no reply, by the code of their error; `other` where it has none.',
  { code: refusalCodes },
);
const running = serving.gauge('argosy_inference_generations', 'Replies under way and requests that wait for a place.', {
  state: ['running', 'waiting'],
});
const keyValues = serving.gauge(
  'argosy_inference_kv_tokens',
  'Tokens whose keys and values are held, and what is reserved.',
  { state: ['used', 'reserved'] },
);
const capacity = serving.gauge(
  'argosy_inference_kv_capacity_tokens',
  'Tokens whose keys and values the group can hold; of a server that does not tell, absent.',
);
const backlog = serving.gauge(
  'argosy_inference_prefill_backlog_tokens',
  'Prompt tokens not yet computed, of requests that wait, too.',
);
const preemptions = serving.observedCounter(
  'argosy_inference_preemptions_total',
  'How often a reply gave up its keys and values for others, and was computed anew.',
);
const gpus = serving.gauge(
  'argosy_inference_gpus',
  'GPUs that the group holds; absent where it has none or was not told.',
);
const gpuTime = serving.observedCounter(
  'argosy_inference_gpu_seconds_total',
  'GPUs times the time in which a reply was under way: what `argosy_gpu_seconds_total` adds up to, failed replies apart.',
);
const sessions = serving.gauge('argosy_inference_sessions', 'Sessions whose keys and values are held.');

/** Measures one reply by its events, each with the milliseconds since its request arrived. */
export function replyMeter(): (event: GenerationEvent, ms: number) => void {
  let begun = false;
  return (event, ms) => {
    if (event.kind === 'accepted') queueDuration.record(event.queueMs / 1000);
    if (event.kind === 'delta' && !begun) {
      begun = true;
      firstToken.record(ms / 1000);
    }
    if (event.kind === 'finished') generated(event, ms);
  };
}

function generated({ reason, promptTokens, cachedTokens, completionTokens }: Finished, ms: number): void {
  generations.add(1, { reason });
  tokens.add(promptTokens, { kind: 'prompt' });
  tokens.add(cachedTokens, { kind: 'cached' });
  tokens.add(completionTokens, { kind: 'completion' });
  duration.record(ms / 1000);
}

/** Notes a reply that ended with an error, before or behind its first token. */
export function failed(error: unknown): void {
  generations.add(1, { reason: 'failed' });
  refusals.add(1, { code: error instanceof ArgosyError ? error.code : 'other' });
}

/** States the load whenever the metrics are read; what is not known is left out. @returns ends that */
export function stating({ generator, group, info }: Pick<Engine, 'generator' | 'group' | 'info'>): () => void {
  const ends = [
    running.from(() => [
      ...known(generator.load.running, { state: 'running' } as const),
      ...known(generator.load.waiting, { state: 'waiting' } as const),
    ]),
    keyValues.from(() => [
      ...known(generator.load.kvUsedTokens, { state: 'used' } as const),
      ...known(generator.load.reservedTokens, { state: 'reserved' } as const),
    ]),
    capacity.from(() => known(group().kvTotalTokens ?? (info.kvTotalTokens || undefined), {})),
    backlog.from(() => known(generator.load.prefillBacklogTokens, {})),
    preemptions.from(() => known(generator.load.preemptions, {})),
    gpus.from(() => known(info.gpus || undefined, {})),
    gpuTime.from(() => known(gpuSeconds(generator.load.busyMs, info.gpus), {})),
    sessions.from(() => known(generator.load.residentSessions, {})),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function gpuSeconds(busyMs: number | undefined, gpus: number): number | undefined {
  return busyMs === undefined || gpus === 0 ? undefined : (busyMs * gpus) / 1000;
}

function known<L>(value: number | undefined, labels: L): { readonly value: number; readonly labels: L }[] {
  return value === undefined ? [] : [{ value, labels }];
}

const coordinators = new Instruments('coordinator');
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
const stepReplies = coordinators.histogram(
  'argosy_inference_step_replies',
  'Replies that shared a step of the model.',
  {
    boundaries: sizes,
  },
);
const stepTokens = coordinators.histogram(
  'argosy_inference_step_tokens',
  'Tokens that a step of the model computed, of prompts and of replies.',
  { boundaries: sizes },
);
const stepDuration = coordinators.histogram(
  'argosy_inference_step_duration_seconds',
  'How long a step of the model took, all its layers together.',
);

/** A model whose steps are counted and timed; those that fail are not. */
export function measuringSteps(model: Model): Model {
  return {
    config: model.config,
    async step(batch, signal) {
      const startedAt = performance.now();
      const logits = await model.step(batch, signal);
      stepDuration.record((performance.now() - startedAt) / 1000);
      stepReplies.record(batch.length);
      stepTokens.record(batch.reduce((sum, { tokens: own }) => sum + own.length, 0));
      return logits;
    },
  };
}
