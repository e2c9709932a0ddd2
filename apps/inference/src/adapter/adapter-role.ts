import { InvalidInput, type Problem } from '#errors';
import type { Config, Running, ServiceSurroundings } from '#platform';
import { InferenceServer } from '../service/server.ts';
import { tlsOf } from '../tls-settings.ts';
import { EngineServer } from './engine-server.ts';
import { openAdapter } from './open-adapter.ts';

/** What a request that finds too many others is told to wait. */
const retryAfterMs = 2_000;

/**
 * The role `adapter`: vLLM or SGLang on this machine, behind the contract of a group.
 * @throws InvalidInput for settings that are missing; ServerAway while the server does not answer
 */
export async function startAdapter({ config, logger, keep }: ServiceSurroundings<Config>): Promise<Running> {
  const { folder, url } = settingsOf(config);
  const { ARGOSY_INFERENCE_RUNNING: running, ARGOSY_INFERENCE_WAITING: waiting } = config;
  const server = new EngineServer(url, config.ARGOSY_INFERENCE_SERVER_API_KEY);
  const options = {
    folder,
    name: config.ARGOSY_INFERENCE_NAME ?? null,
    most: running + waiting,
    retryAfterMs,
    silenceMs: config.ARGOSY_INFERENCE_SILENCE_MS,
    gpus: config.ARGOSY_INFERENCE_GPUS,
    now: () => performance.now(),
  };
  const { engine, watch } = await openAdapter(server, options, logger);
  keep(watch);
  return await InferenceServer.start(engine, { listen: config.ARGOSY_INFERENCE_LISTEN, tls: tlsOf(config) }, logger);
}

function settingsOf(config: Config): { readonly folder: string; readonly url: string } {
  const { ARGOSY_INFERENCE_CHECKPOINT: folder, ARGOSY_INFERENCE_SERVER: url } = config;
  const problems: Problem[] = [];
  if (url === undefined) {
    const message = 'is required: where vLLM or SGLang serves, such as http://127.0.0.1:8000 (or --server URL)';
    problems.push({ path: 'ARGOSY_INFERENCE_SERVER', message });
  }
  if (folder === undefined) {
    const message = 'is required: the folder of the checkpoint that the server serves (or --checkpoint DIR)';
    problems.push({ path: 'ARGOSY_INFERENCE_CHECKPOINT', message });
  }
  if (folder === undefined || url === undefined) throw new InvalidInput(problems);
  return { folder, url };
}
