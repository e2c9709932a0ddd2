import { randomInt } from 'node:crypto';
import { InvalidInput } from '#errors';
import { openModel } from '#moe';
import type { Config, Running, ServiceSurroundings } from '#platform';
import { openCheckpoint } from './checkpoint-setting.ts';
import { computeThreads } from './compute-threads.ts';
import { openExperts } from './group/open-experts.ts';
import { openEngine } from './service/engine.ts';
import { measuringSteps } from './service/instruments.ts';
import { InferenceServer } from './service/server.ts';
import { tlsOf } from './tls-settings.ts';

/** What waits for a place is told to come again after this time. */
const retryAfterMs = 2_000;

/** The role `coordinator`: a model and the service that generates with it. @throws InvalidInput */
export async function startCoordinator({ config, logger, keep }: ServiceSurroundings<Config>): Promise<Running> {
  const checkpoint = await openCheckpoint(config);
  try {
    const backend = keep(computeThreads(config));
    const { experts, group } = await openExperts(checkpoint, backend, { config, logger, keep });
    const model = measuringSteps(await openModel(checkpoint, backend, experts));
    const engine = await openEngine(checkpoint, model, {
      limits: limitsOf(config),
      name: config.ARGOSY_INFERENCE_NAME ?? null,
      version: '0.1.0',
      gpus: config.ARGOSY_INFERENCE_GPUS,
      now: () => performance.now(),
      seed: () => randomInt(2 ** 48 - 1),
      ...(group && { group }),
    });
    return await InferenceServer.start(engine, { listen: config.ARGOSY_INFERENCE_LISTEN, tls: tlsOf(config) }, logger);
  } finally {
    await checkpoint.close();
  }
}

function limitsOf(config: Config) {
  const { ARGOSY_INFERENCE_RUNNING: running, ARGOSY_INFERENCE_STEP_TOKENS: stepTokens } = config;
  if (stepTokens < running) {
    const message = `is ${stepTokens}, less than ARGOSY_INFERENCE_RUNNING, ${running}: each reply needs a token a step`;
    throw new InvalidInput([{ path: 'ARGOSY_INFERENCE_STEP_TOKENS', message }]);
  }
  const { ARGOSY_INFERENCE_KV_TOKENS: kvTokens, ARGOSY_INFERENCE_WAITING: waiting } = config;
  const weights = config.ARGOSY_INFERENCE_WEIGHTS ?? new Map();
  const sessionIdleMs = config.ARGOSY_INFERENCE_SESSION_IDLE_MS;
  return { kvTokens, stepTokens, running, waiting, retryAfterMs, sessionIdleMs, weights };
}
