import { InvalidInput, NotFound, type Problem } from '#errors';
import type { WeightMap } from './checkpoint-files.ts';
import { expertTensors, names, packedTensors, sharedTensors, type WantedTensor } from './layout.ts';
import type { ModelConfig } from './model-config.ts';
import { numberFormatOf, type SafetensorsFile, type TensorEntry } from './safetensors.ts';

/** A tensor and the file that it stands in. */
interface Placed {
  readonly file: SafetensorsFile;
  readonly entry: TensorEntry;
}

/** So many faults are told; a checkpoint of the wrong shape has thousands. */
const MOST_FAULTS = 20;

/** Where each tensor stands. Complete: every tensor of the model is there, in the shape that its configuration says. */
export class TensorTable {
  readonly files: readonly SafetensorsFile[];
  readonly #placed = new Map<string, Placed>();

  /** @throws InvalidInput for tensors that are missing, of the wrong shape or in a format that cannot be read */
  constructor(config: ModelConfig, map: WeightMap, files: readonly SafetensorsFile[]) {
    this.files = files;
    const problems: Problem[] = [];
    for (const [i, file] of files.entries()) {
      const listed = map.tensors.get(map.files[i] ?? '');
      for (const entry of file.tensors.values())
        if (listed?.has(entry.name) !== false) this.#placed.set(entry.name, { file, entry });
      for (const name of listed ?? []) {
        if (!file.tensors.has(name))
          problems.push({ path: map.path, message: `has ${name} in ${file.path}, which has no such tensor` });
      }
    }
    if (problems.length === 0)
      problems.push(...this.#wantedOf(config).flatMap((wanted) => this.#faultsOf(wanted, map)));
    if (problems.length > 0) throw new InvalidInput(firstOf(problems));
  }

  get entries(): readonly TensorEntry[] {
    return [...this.#placed.values()].map(({ entry }) => entry);
  }

  has(name: string): boolean {
    return this.#placed.has(name);
  }

  /** @throws NotFound */
  get(name: string): Placed {
    const placed = this.#placed.get(name);
    if (placed === undefined) throw new NotFound(`The checkpoint has no tensor ${JSON.stringify(name)}.`);
    return placed;
  }

  #wantedOf(config: ModelConfig): WantedTensor[] {
    const experts = config.sparse.flatMap((sparse, layer) => {
      if (!sparse) return [];
      const packed = this.has(names.packed(layer, 'gate_up'));
      return packed ? packedTensors(config, layer) : expertTensors(config, layer);
    });
    return [...sharedTensors(config), ...experts];
  }

  #faultsOf({ name, shape }: WantedTensor, map: WeightMap): Problem[] {
    const placed = this.#placed.get(name);
    if (placed === undefined) return [{ path: map.path, message: `has no tensor ${name}` }];
    const { file, entry } = placed;
    if (entry.shape.join() !== shape.join()) {
      const message = `tensor ${name} has shape [${entry.shape.join(', ')}]; config.json makes it [${shape.join(', ')}]`;
      return [{ path: file.path, message }];
    }
    try {
      numberFormatOf(file.path, entry);
      return [];
    } catch (error) {
      if (error instanceof InvalidInput) return [...error.problems];
      throw error;
    }
  }
}

function firstOf(problems: readonly Problem[]): Problem[] {
  const more = problems.length - MOST_FAULTS;
  return [...problems.slice(0, MOST_FAULTS), ...(more > 0 ? [{ path: '', message: `and ${more} faults more` }] : [])];
}
