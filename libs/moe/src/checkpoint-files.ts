/** The small files of a checkpoint: configuration, index, defaults of generation. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InvalidInput, messageOf } from '#errors';
import { type ModelConfig, parseModelConfig, tokenList } from './model-config.ts';
import { faultIn } from './safetensors.ts';

/** How the model's publishers would have it generate; undefined where they do not say. */
export interface GenerationDefaults {
  /** A reply ends at any of them. */
  readonly eosTokens: readonly number[];
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
}

/** Which file holds which tensors. */
export interface WeightMap {
  /** Of the index, or of the only file. */
  readonly path: string;
  /** Names, in order. */
  readonly files: readonly string[];
  /** By file. A file that is not in here counts with all that it holds. */
  readonly tensors: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Published index files take some 2 MB, configuration files some 2 KB. */
const LARGEST_JSON = 256 * 2 ** 20;

const ONLY_FILE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** @throws InvalidInput */
export async function readConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, 'config.json');
  const json = await readJson(path);
  if (json === undefined) throw faultIn(path, 'is not there; give the folder that a model was published in');
  const { config, problems } = parseModelConfig(json);
  if (config !== undefined) return config;
  throw new InvalidInput(problems.map((problem) => ({ path, message: `${problem.path} ${problem.message}`.trim() })));
}

const id = z.int().min(0);
/** Bounds as a request has them: a default outside would have every request refused that says nothing. */
const generationSchema = z.looseObject({
  eos_token_id: z.union([id, z.array(id).max(64)]).nullish(),
  temperature: z.number().min(0).max(10).nullish(),
  top_p: z.number().positive().max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  repetition_penalty: z.number().min(0.01).max(10).nullish(),
});

/** Where there is no `generation_config.json`, a reply ends as `config.json` says. @throws InvalidInput */
export async function readGenerationDefaults(folder: string, config: ModelConfig): Promise<GenerationDefaults> {
  const path = join(folder, 'generation_config.json');
  const json = await readJson(path);
  if (json === undefined) return { eosTokens: config.eosTokens };
  const read = generationSchema.safeParse(json);
  if (!read.success) throw faultIn(path, z.prettifyError(read.error));
  const { eos_token_id: eos, temperature, top_p: topP, top_k: topK, repetition_penalty: penalty } = read.data;
  const eosTokens = eos === undefined || eos === null ? config.eosTokens : tokenList(eos);
  if (eosTokens.some((token) => token >= config.vocabulary)) {
    throw faultIn(path, `eos_token_id is not below vocab_size of config.json, ${config.vocabulary}`);
  }
  return {
    eosTokens,
    temperature: temperature ?? undefined,
    topP: topP ?? undefined,
    // More than there are tokens keeps all of them.
    topK: topK === undefined || topK === null ? undefined : Math.min(topK, config.vocabulary),
    repetitionPenalty: penalty ?? undefined,
  };
}

/** @throws InvalidInput */
export async function readWeightMap(folder: string): Promise<WeightMap> {
  const path = join(folder, INDEX);
  const json = await readJson(path);
  if (json === undefined) return { path: join(folder, ONLY_FILE), files: [ONLY_FILE], tensors: new Map() };
  const read = z.looseObject({ weight_map: z.record(z.string(), z.string()) }).safeParse(json);
  if (!read.success) throw faultIn(path, z.prettifyError(read.error));
  const tensors = new Map<string, Set<string>>();
  for (const [name, file] of Object.entries(read.data.weight_map)) {
    // A name and no path: whoever wrote the index does not choose what is read outside its folder.
    if (!/^[\w-][\w.-]*\.safetensors$/.test(file)) {
      throw faultIn(path, `weight_map.${name} names ${JSON.stringify(file)}; it must be a .safetensors file beside it`);
    }
    const listed = tensors.get(file) ?? new Set();
    tensors.set(file, listed.add(name));
  }
  if (tensors.size === 0) throw faultIn(path, 'weight_map is empty');
  return { path, files: [...tensors.keys()].toSorted(), tensors };
}

/** @returns undefined when there is no such file */
async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    const found = await stat(path);
    if (!found.isFile()) throw faultIn(path, 'is not a file');
    const { size } = found;
    if (size > LARGEST_JSON) throw faultIn(path, `has ${size} bytes; ${LARGEST_JSON} are the most that is read`);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (z.object({ code: z.literal('ENOENT') }).safeParse(cause).success) return undefined;
    if (cause instanceof InvalidInput) throw cause;
    throw faultIn(path, `cannot be read: ${messageOf(cause)}`, cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw faultIn(path, `is not JSON: ${messageOf(cause)}`, cause);
  }
}
