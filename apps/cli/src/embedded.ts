import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AgentWorker } from '#agent-worker';
import { Dispatcher } from '#dispatcher';
import { InvalidInput } from '#errors';
import { Gateway, toolPrices } from '#gateway';
import { configuredGroups, configuredModels, type InferenceGroups, type ModelSpec, pageReader } from '#model';
import { alwaysReady, type Config, jsonLogger, type Logger, metricsText, openSigningKey } from '#platform';
import { DataDirectory, type EmbeddedRuns, openEmbedded, type Secrets, secretsKeyOf } from '#runs';
import { ToolWorker } from '#tool-worker';
import { Corpora, openToolbox, secretNames, type Toolbox, toolSignatures, type WayOut, wayOut } from '#tools';
import { ownProviders } from './providers.ts';

/** The tenant of everyone on this machine. */
const localTenant = 'local';

export interface EmbeddedOptions {
  readonly config: Config;
  readonly port: number;
  /** A local operator's choice for this process; becomes the default model. */
  readonly model: ModelSpec | null;
  readonly writeLog: (line: string) => void;
}

interface Running {
  readonly directory: DataDirectory;
  readonly store: EmbeddedRuns;
  readonly secrets: Secrets;
  readonly corpora: Corpora;
  readonly toolbox: Toolbox;
  readonly groups: InferenceGroups;
  readonly workers: readonly [AgentWorker, ToolWorker];
  readonly dispatcher: Dispatcher;
  readonly gateway: Gateway;
}

/** All of Argosy in one process: each app is still its own module, only started side by side. */
export class Embedded {
  readonly #running: Running;

  private constructor(running: Running) {
    this.#running = running;
  }

  /**
   * Starts store, workers, dispatcher and gateway, in this order, and tells other processes where it serves.
   * @throws DataDirectoryBusy when another process holds the data directory; InvalidInput for a port or folder that
   * cannot be used
   */
  static async start(options: EmbeddedOptions): Promise<Embedded> {
    const directory = DataDirectory.hold(options.config.ARGOSY_DATA_DIR);
    const undo: (() => Promise<unknown>)[] = [async () => await directory.release()];
    try {
      const running = await startIn(directory, options, undo);
      await directory.announce(running.gateway.url);
      return new Embedded(running);
    } catch (error) {
      for (const step of undo.reverse()) await step();
      throw error;
    }
  }

  get url(): string {
    return this.#running.gateway.url;
  }

  /** Lets go of everything in the order that loses nothing: runs are handed back, then the stores close. */
  async stop(): Promise<void> {
    const { gateway, dispatcher, workers, store, secrets, corpora, toolbox, groups, directory } = this.#running;
    await gateway.stop();
    await groups.close();
    await dispatcher.stop();
    for (const worker of workers) await worker.stop(0);
    await toolbox.close();
    await corpora.close();
    await secrets.close();
    await store.close();
    await directory.release();
  }
}

async function startIn(
  directory: DataDirectory,
  { config, port, model, writeLog }: EmbeddedOptions,
  undo: (() => Promise<unknown>)[],
): Promise<Running> {
  const logger = (role: string): Logger => jsonLogger(role, config.ARGOSY_LOG_LEVEL, writeLog);
  const store = await openEmbedded(directory);
  undo.push(async () => await store.close());
  const { runs } = store;
  const secrets = store.secrets({ wrapping: secretsKeyOf(config.ARGOSY_SECRETS_KEY) });
  undo.push(async () => await secrets.close());
  const corporaDir = join(directory.path, 'corpora');
  const corpora = await Corpora.open(corporaDir, { segments: runs.corpora });
  undo.push(async () => await corpora.close());
  const models = await configuredModels(config, model, { sessions: store.sessions, logger: logger('agent-worker') });
  const providers = ownProviders(config);
  const names = providers.map(({ name }) => name);
  const reads = { out: wayHere(config), providers, secrets, reader: pageReader(models.byName) };
  const toolbox = openToolbox({ ...store, ...reads, corpora, logger: logger('tool-worker') });
  undo.push(async () => await toolbox.close());
  const around = { runs, models: models.byName, tools: toolSignatures(names), now: () => performance.now() };
  const here = `${process.pid}-${Date.now()}`;
  const agents = { workerId: `agent-${here}`, concurrency: config.ARGOSY_AGENT_CONCURRENCY };
  const agentWorker = await AgentWorker.start(around, agents, logger('agent-worker'));
  undo.push(async () => await agentWorker.stop(0));
  const callers = { workerId: `tool-${here}`, concurrency: config.ARGOSY_TOOL_CONCURRENCY, corpora };
  const toolWorker = await ToolWorker.start(runs, toolbox.tools, callers, logger('tool-worker'));
  undo.push(async () => await toolWorker.stop(0));
  const offer = { ...offerOf(config, models), providers: names, knowsCorpus: knowing(corporaDir) };
  const groups = await configuredGroups(config, model);
  undo.push(async () => await groups.close());
  const kept = { secrets: { store: secrets, names: secretNames }, signingKey: await openSigningKey(config) };
  const address = { host: config.ARGOSY_HOST, port, ...fixed, groups, tools: toolsIn(toolbox), ...kept };
  const gateway = await Gateway.start(runs, offer, address, logger('gateway'));
  undo.push(async () => await gateway.stop());
  const dispatcher = new Dispatcher(runs, { workerId: `dispatcher-${here}`, everyMs: 1000 }, logger('dispatcher'));
  dispatcher.start();
  const stores = { directory, store, secrets, corpora, toolbox, groups };
  return { ...stores, workers: [agentWorker, toolWorker], dispatcher, gateway };
}

function knowing(corporaDir: string): (id: string) => boolean {
  return (id) => existsSync(join(corporaDir, `${id}.sqlite`));
}

const fixed = { tenantId: localTenant, health: { ...alwaysReady, metrics: metricsText } };

/** What people are told of the tools. */
function toolsIn({ kinds }: Toolbox) {
  return { browser: kinds.includes('browser') };
}

/** @throws InvalidInput where the browser is to be somebody else's */
function wayHere(config: Config): WayOut {
  const out = wayOut(config);
  if (out.browser !== 'workers') return out;
  const message = 'is workers, which are those of a fleet, and this process stands alone: write auto, off or a path';
  throw new InvalidInput([{ path: 'ARGOSY_BROWSER', message }]);
}

/** What requests may ask for, but for what may be read. */
function offerOf(config: Config, { offered, defaultName }: Awaited<ReturnType<typeof configuredModels>>) {
  const readsPages = config.ARGOSY_READING === 'model';
  return { models: offered, defaultModel: defaultName, readsPages, ...toolPrices(config.ARGOSY_TOOL_PRICES) };
}
