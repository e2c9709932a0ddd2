import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { InvalidInput, NotFound } from '#errors';
import { loadTokenizer, type Tokenizer } from '#tokens';
import { type GenerationDefaults, readConfig, readGenerationDefaults, readWeightMap } from './checkpoint-files.ts';
import type { ExpertWeights } from './kernels/feed-forward.ts';
import { decodeNumbers, firstUnusable } from './kernels/number-format.ts';
import { names } from './layout.ts';
import type { ModelConfig } from './model-config.ts';
import { faultIn, numberFormatOf, SafetensorsFile, type TensorEntry } from './safetensors.ts';
import { TensorTable } from './tensor-table.ts';

/** A tensor's numbers, f32 in memory that threads share. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<SharedArrayBuffer>;
}

/** Bytes of one tensor that follow one another. */
interface Range {
  readonly name: string;
  /** From the tensor's beginning. */
  readonly from: number;
  readonly bytes: number;
}

/**
 * A model in the folder that it was published in. Opening reads configuration and headers and checks that every tensor
 * is there in its shape; numbers are read when they are asked for, those and no others.
 */
export class Checkpoint {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly generation: GenerationDefaults;
  readonly #tensors: TensorTable;

  private constructor(folder: string, config: ModelConfig, generation: GenerationDefaults, tensors: TensorTable) {
    this.folder = folder;
    this.config = config;
    this.generation = generation;
    this.#tensors = tensors;
  }

  /** @throws InvalidInput naming each file and field that is wrong */
  static async open(folder: string): Promise<Checkpoint> {
    const config = await readConfig(folder);
    const generation = await readGenerationDefaults(folder, config);
    const map = await readWeightMap(folder);
    const files: SafetensorsFile[] = [];
    try {
      for (const file of map.files) files.push(await SafetensorsFile.open(join(folder, file)));
      return new Checkpoint(folder, config, generation, new TensorTable(config, map, files));
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
  }

  /** Every tensor of the model and of what else the files hold. */
  get tensors(): readonly TensorEntry[] {
    return this.#tensors.entries;
  }

  /**
   * Reads one tensor by its name.
   * @throws NotFound, InvalidInput (unreadable, a number that is NaN or infinite)
   */
  async tensor(name: string): Promise<Tensor> {
    const { entry } = this.#tensors.get(name);
    return { shape: entry.shape, data: await this.#numbers({ name, from: 0, bytes: entry.bytes }) };
  }

  /** @throws NotFound for an expert that the model does not have; else as {@link tensor} */
  async expert(layer: number, expert: number): Promise<ExpertWeights> {
    const [gate, up, down] = this.#expertRanges(layer, expert);
    return { gate: await this.#numbers(gate), up: await this.#numbers(up), down: await this.#numbers(down) };
  }

  /** Of an expert's gate, up and down weights as they are stored. @throws as {@link expert} */
  async expertSha256(layer: number, expert: number): Promise<Uint8Array> {
    const hash = createHash('sha256');
    for (const range of this.#expertRanges(layer, expert)) hash.update(await this.#bytes(range));
    return hash.digest();
  }

  /**
   * The model's tokenizer and chat template. Costs about half a second for 150,000 tokens, which hold the event loop.
   * @throws InvalidInput also when it knows tokens that the model has no embedding for
   */
  async tokenizer(): Promise<Tokenizer> {
    const tokenizer = await loadTokenizer(this.folder);
    const { vocabulary } = this.config;
    if (tokenizer.size <= vocabulary) return tokenizer;
    const message = `has token ids up to ${tokenizer.size - 1}; vocab_size of config.json is ${vocabulary}`;
    throw new InvalidInput([{ path: join(this.folder, 'tokenizer.json'), message }]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#tensors.files.map((file) => file.close()));
  }

  #expertRanges(layer: number, expert: number): readonly [Range, Range, Range] {
    const { sparse, experts } = this.config;
    if (sparse[layer] !== true) throw new NotFound(`Layer ${layer} of ${this.folder} has no experts.`);
    if (!Number.isInteger(expert) || expert < 0 || expert >= experts) {
      throw new NotFound(`There is no expert ${expert}: layer ${layer} of ${this.folder} has 0 to ${experts - 1}.`);
    }
    if (!this.#tensors.has(names.packed(layer, 'gate_up'))) {
      const range = (part: 'gate' | 'up' | 'down') => this.#wholeOf(names.expert(layer, expert, part));
      return [range('gate'), range('up'), range('down')];
    }
    const gateUp = this.#wholeOf(names.packed(layer, 'gate_up'));
    const down = this.#wholeOf(names.packed(layer, 'down'));
    const half = gateUp.bytes / experts / 2;
    return [
      { name: gateUp.name, from: 2 * expert * half, bytes: half },
      { name: gateUp.name, from: (2 * expert + 1) * half, bytes: half },
      { name: down.name, from: (expert * down.bytes) / experts, bytes: down.bytes / experts },
    ];
  }

  #wholeOf(name: string): Range {
    return { name, from: 0, bytes: this.#tensors.get(name).entry.bytes };
  }

  async #bytes({ name, from, bytes }: Range): Promise<Uint8Array> {
    const { file, entry } = this.#tensors.get(name);
    return await file.read(entry, from, bytes);
  }

  async #numbers(range: Range): Promise<Float32Array<SharedArrayBuffer>> {
    const { file, entry } = this.#tensors.get(range.name);
    const format = numberFormatOf(file.path, entry);
    const stored = await this.#bytes(range);
    const perNumber = format === 'F32' ? 4 : 2;
    const data = new Float32Array(new SharedArrayBuffer((stored.byteLength / perNumber) * 4));
    decodeNumbers(stored, format, data);
    const unusable = firstUnusable(data);
    if (unusable === -1) return data;
    const at = range.from / perNumber + unusable;
    throw faultIn(file.path, `tensor ${range.name} holds ${data[unusable]} at ${at}; it is damaged`);
  }
}
