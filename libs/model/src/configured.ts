import { readFile } from 'node:fs/promises';
import { type Dated, datedOf, type Prices } from '#domain';
import { InvalidInput, messageOf } from '#errors';
import type { Config, Logger } from '#platform';
import { loadTokenizer, type Tokenizer } from '#tokens';
import type { ChatModel } from './chat-model.ts';
import { extractiveModel } from './extractive/extractive-model.ts';
import type { GrpcTls } from './grpc-channel.ts';
import { grpcModel } from './grpc-model.ts';
import { buildModel, type ModelSpec, nameOf, parseModelSpec } from './model-spec.ts';
import { openAiModel } from './openai-model.ts';
import { profiles } from './profiles.ts';
import type { SessionDirectory } from './routing/session-router.ts';
import { traced } from './traced.ts';

/** What must be known of a model to accept runs for it. */
export interface ConfiguredModel {
  /** False for `extractive`. */
  readonly isLanguageModel: boolean;
  readonly profile: string;
  /** Null for no window. */
  readonly contextTokens: number | null;
  /** From when on which prices hold, in order of time; empty where nobody said what it costs. */
  readonly prices: readonly Dated<Prices>[];
}

/** The models of a process by the names that requests use. */
export interface ConfiguredModels {
  readonly byName: ReadonlyMap<string, ChatModel>;
  readonly offered: ReadonlyMap<string, ConfiguredModel>;
  /** The model of a request that names none. */
  readonly defaultName: string;
}

type ModelConfig = Pick<
  Config,
  | 'ARGOSY_MODEL'
  | 'ARGOSY_MODEL_API_KEY'
  | 'ARGOSY_MODEL_CONSTRAIN'
  | 'ARGOSY_MODEL_CONTEXT_TOKENS'
  | 'ARGOSY_MODEL_PRICES'
  | 'ARGOSY_MODEL_TOKENIZER'
  | 'ARGOSY_MODEL_TLS_CA_FILE'
  | 'ARGOSY_MODEL_TLS_CERT_FILE'
  | 'ARGOSY_MODEL_TLS_KEY_FILE'
> &
  Partial<Pick<Config, 'ARGOSY_MODEL_TRACE'>>;

/** What models share with the process that they are in. */
export interface ModelSurroundings {
  /** Where sessions have their homes, for models with several servers. Absent: this process remembers its own. */
  readonly sessions?: SessionDirectory;
  readonly logger?: Logger;
}

/**
 * The models that a configuration names, and `extractive`, which needs nothing. Asks no model server anything.
 * @param chosen a local operator's choice for this process; becomes the default
 * @throws InvalidInput for a tokenizer or a file of TLS that cannot be read
 */
export async function configuredModels(
  config: ModelConfig,
  chosen: ModelSpec | null = null,
  around: ModelSurroundings = {},
): Promise<ConfiguredModels> {
  const parts = { ...around, tokenizer: await configuredTokenizer(config), tls: await configuredTls(config) };
  const configured = config.ARGOSY_MODEL === undefined ? null : parseModelSpec(config.ARGOSY_MODEL);
  const specs: ModelSpec[] = [{ kind: 'extractive' }, ...[configured, chosen].filter((spec) => spec !== null)];
  checkConstrain(config, specs);
  const byName = new Map(specs.map((spec) => [nameOf(spec), traced(built(spec, config, parts), providerOf(spec))]));
  const offered = new Map([...byName].map(([name, model]) => [name, offer(model, config)]));
  return { byName, offered, defaultName: nameOf(chosen ?? configured ?? { kind: 'extractive' }) };
}

/** A setting that nothing takes is a mistake. */
function checkConstrain({ ARGOSY_MODEL_CONSTRAIN: how }: ModelConfig, specs: readonly ModelSpec[]): void {
  if (how === undefined) return;
  const takes = (spec: ModelSpec): boolean =>
    how === 'calls' ? spec.kind === 'grpc' : spec.kind === 'openai' && spec.profile === 'openai-tools-v1';
  if (specs.some(takes)) return;
  const kind = how === 'calls' ? 'grpc:HOST:PORT' : 'openai-tools:BASE_URL#MODEL';
  throw new InvalidInput([
    { path: 'ARGOSY_MODEL_CONSTRAIN', message: `is "${how}", which is for models named ${kind}: leave it out` },
  ]);
}

async function configuredTokenizer({ ARGOSY_MODEL_TOKENIZER: folder }: ModelConfig): Promise<Tokenizer | undefined> {
  if (folder === undefined) return undefined;
  try {
    return await loadTokenizer(folder);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new InvalidInput([{ path: 'ARGOSY_MODEL_TOKENIZER', message: error.message }], { cause: error });
  }
}

/** How to speak to groups. Null where no file is named: plain text. @throws InvalidInput for a file that cannot be read */
export async function configuredTls(config: ModelConfig): Promise<GrpcTls | null> {
  const { ARGOSY_MODEL_TLS_CERT_FILE: certFile, ARGOSY_MODEL_TLS_KEY_FILE: keyFile } = config;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const message = 'and ARGOSY_MODEL_TLS_KEY_FILE belong together: set both or neither';
    throw new InvalidInput([{ path: 'ARGOSY_MODEL_TLS_CERT_FILE', message }]);
  }
  const ca = await pem(config, 'ARGOSY_MODEL_TLS_CA_FILE');
  const cert = await pem(config, 'ARGOSY_MODEL_TLS_CERT_FILE');
  const key = await pem(config, 'ARGOSY_MODEL_TLS_KEY_FILE');
  return ca === null && cert === null ? null : { ca, cert, key };
}

type TlsSetting = 'ARGOSY_MODEL_TLS_CA_FILE' | 'ARGOSY_MODEL_TLS_CERT_FILE' | 'ARGOSY_MODEL_TLS_KEY_FILE';

async function pem(config: ModelConfig, path: TlsSetting): Promise<Buffer | null> {
  const file = config[path];
  if (file === undefined) return null;
  try {
    return await readFile(file);
  } catch (error) {
    throw new InvalidInput([{ path, message: `cannot be read: ${messageOf(error)}` }], { cause: error });
  }
}

interface ModelParts extends ModelSurroundings {
  readonly tokenizer: Tokenizer | undefined;
  readonly tls: GrpcTls | null;
}

function built(spec: ModelSpec, config: ModelConfig, { tokenizer, tls, sessions, logger }: ModelParts): ChatModel {
  const { ARGOSY_MODEL_API_KEY: apiKey, ARGOSY_MODEL_CONSTRAIN: how } = config;
  const shared = {
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(sessions === undefined ? {} : { directory: sessions }),
    ...(logger === undefined ? {} : { logger }),
  };
  return buildModel(spec, {
    extractive: extractiveModel,
    openai: ({ baseUrls: [baseUrl = '', ...otherUrls], model, profile = 'tongyi-v1' }) =>
      openAiModel({
        baseUrl,
        otherUrls,
        model,
        profile: profiles[profile],
        contextTokens: config.ARGOSY_MODEL_CONTEXT_TOKENS,
        ...(apiKey === undefined ? {} : { apiKey }),
        ...(how === undefined || how === 'calls' ? {} : { outputField: how }),
        tellsTrace: config.ARGOSY_MODEL_TRACE === 'on',
        ...shared,
      }),
    grpc: (groups) =>
      grpcModel({
        addresses: groups.addresses,
        name: nameOf(groups),
        profile: profiles['tongyi-v1'],
        contextTokens: config.ARGOSY_MODEL_CONTEXT_TOKENS,
        tls,
        isHeld: how === 'calls',
        ...shared,
      }),
  });
}

/** As traces name whoever serves a model; an OpenAI-compatible server may be anybody's. */
function providerOf({ kind }: ModelSpec): string {
  return kind === 'openai' ? 'openai' : 'argosy';
}

function offer(model: ChatModel, config: ModelConfig): ConfiguredModel {
  const isLanguageModel = model.name !== null;
  return {
    isLanguageModel,
    profile: model.profile,
    contextTokens: Number.isFinite(model.contextTokens) ? model.contextTokens : null,
    prices: isLanguageModel ? pricesOf(config) : free,
  };
}

const free = [{ from: null, value: { promptUsd: 0, cachedUsd: 0, completionUsd: 0 } }];

function pricesOf({ ARGOSY_MODEL_PRICES: text }: ModelConfig): Dated<Prices>[] {
  return text === undefined ? [] : datedOf(text, pricesIn);
}

function pricesIn(text: string): Prices {
  const [promptUsd = 0, cachedUsd = 0, completionUsd = 0] = text.split(',').map(Number);
  return { promptUsd, cachedUsd, completionUsd };
}
