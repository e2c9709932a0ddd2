import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AgentWorker } from '#agent-worker';
import { Dispatcher } from '#dispatcher';
import { Egress, parseAllow } from '#egress';
import { type ConfiguredModel, Gateway } from '#gateway';
import {
  buildModel,
  type ChatModel,
  extractiveModel,
  type ModelSpec,
  openAiModel,
  parseModelSpec,
  tongyiV1,
} from '#model';
import { type Config, jsonLogger, type Logger } from '#platform';
import { DataDirectory, type EmbeddedRuns, openEmbedded } from '#runs';
import { ToolWorker } from '#tool-worker';
import { Corpora, Extraction, searchTool, type Tool, visitTool } from '#tools';
import { nameOf } from './model-name.ts';

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
  readonly corpora: Corpora;
  readonly egress: Egress;
  readonly extraction: Extraction;
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
    const { gateway, dispatcher, workers, store, corpora, extraction, egress, directory } = this.#running;
    await gateway.stop();
    await dispatcher.stop();
    for (const worker of workers) await worker.stop();
    await corpora.close();
    await extraction.close();
    await egress.close();
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
  const corporaDir = join(directory.path, 'corpora');
  const corpora = await Corpora.open(corporaDir);
  undo.push(async () => await corpora.close());
  const egress = new Egress({ allow: parseAllow(config.ARGOSY_EGRESS_ALLOW), userAgent });
  undo.push(async () => await egress.close());
  const extraction = new Extraction();
  undo.push(async () => await extraction.close());
  const tools: Tool[] = [searchTool(corpora), visitTool({ corpora, extraction, egress })];
  const models = modelsOf(config, model);
  const around = { runs, models: models.byName, tools: tools.map((t) => t.signature), now: () => performance.now() };
  const agents = { workerId: `agent-${process.pid}-${Date.now()}`, concurrency: config.ARGOSY_AGENT_CONCURRENCY };
  const agentWorker = await AgentWorker.start(around, agents, logger('agent-worker'));
  undo.push(async () => await agentWorker.stop());
  const callers = { workerId: `tool-${process.pid}-${Date.now()}`, concurrency: config.ARGOSY_TOOL_CONCURRENCY };
  const toolWorker = await ToolWorker.start(runs, tools, callers, logger('tool-worker'));
  undo.push(async () => await toolWorker.stop());
  const offer = {
    models: models.offered,
    defaultModel: models.defaultName,
    webSearch: false,
    knowsCorpus: (id: string) => existsSync(join(corporaDir, `${id}.sqlite`)),
  };
  const address = { host: config.ARGOSY_HOST, port, tenantId: localTenant };
  const gateway = await Gateway.start(runs, offer, address, logger('gateway'));
  undo.push(async () => await gateway.stop());
  const dispatcher = new Dispatcher(runs, { window: agents.concurrency, everyMs: 1000 }, logger('dispatcher'));
  dispatcher.start();
  return { directory, store, corpora, extraction, egress, workers: [agentWorker, toolWorker], dispatcher, gateway };
}

/** Says who asks, as robots should. */
const userAgent = 'Argosy/0.1 (research agent; run by its user)';

interface Models {
  readonly byName: ReadonlyMap<string, ChatModel>;
  readonly offered: ReadonlyMap<string, ConfiguredModel>;
  readonly defaultName: string;
}

function modelsOf(config: Config, chosen: ModelSpec | null): Models {
  const configured = config.ARGOSY_MODEL === undefined ? null : parseModelSpec(config.ARGOSY_MODEL);
  const specs: ModelSpec[] = [{ kind: 'extractive' }, ...[configured, chosen].filter((spec) => spec !== null)];
  const apiKey = config.ARGOSY_MODEL_API_KEY;
  const common = {
    profile: tongyiV1,
    contextTokens: config.ARGOSY_MODEL_CONTEXT_TOKENS,
    ...(apiKey === undefined ? {} : { apiKey }),
  };
  const byName = new Map<string, ChatModel>();
  for (const spec of specs) {
    const made = buildModel(spec, {
      extractive: extractiveModel,
      openai: ({ baseUrl, model }) => openAiModel({ baseUrl, model, ...common }),
    });
    byName.set(nameOf(spec), made);
  }
  const offered = new Map([...byName].map(([name, model]) => [name, configuredModel(model, config)]));
  return { byName, offered, defaultName: nameOf(chosen ?? configured ?? { kind: 'extractive' }) };
}

function configuredModel(model: ChatModel, config: Config): ConfiguredModel {
  const [promptUsd, cachedUsd, completionUsd] = (config.ARGOSY_MODEL_PRICES ?? '').split(',').map(Number);
  const known = promptUsd !== undefined && cachedUsd !== undefined && completionUsd !== undefined;
  const free = { promptUsd: 0, cachedUsd: 0, completionUsd: 0 };
  return {
    isLanguageModel: model.name !== null,
    profile: model.profile,
    contextTokens: Number.isFinite(model.contextTokens) ? model.contextTokens : null,
    prices: model.name === null ? free : known ? { promptUsd, cachedUsd, completionUsd } : null,
  };
}
