import { basename } from 'node:path';
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

/** A checkpoint of the wrong shape has thousands. */
const MOST_FAULTS = 20;

/** Where each tensor stands. Complete: every tensor of the model is there, in the shape that its configuration says. */
export class TensorTable {
  readonly files: readonly SafetensorsFile[];
  readonly #placed = new Map<string, Placed>();

  /** @throws InvalidInput for tensors that are missing, of the wrong shape or in a format that cannot be read */
  constructor(config: ModelConfig, map: WeightMap, files: readonly SafetensorsFile[]) {
    this.files = files;
    for (const file of files) {
      const listed = map.tensors.get(basename(file.path));
      for (const entry of file.tensors.values()) {
        if (listed?.has(entry.name) !== false) this.#placed.set(entry.name, { file, entry });
      }
    }
    const unfounded = firstFaults(unfoundedIn(map, files));
    const problems = unfounded.length > 0 ? unfounded : firstFaults(this.#faults(config, map));
    if (problems.length > 0) throw new InvalidInput(problems);
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

  *#faults(config: ModelConfig, map: WeightMap): Generator<Problem> {
    for (const wanted of sharedTensors(config)) yield* this.#faultsOf(wanted, map);
    for (const [layer, sparse] of config.sparse.entries()) {
      const packed = this.has(names.packed(layer, 'gate_up'));
      const wanted = packed ? packedTensors(config, layer) : expertTensors(config, layer);
      for (const tensor of sparse ? wanted : []) yield* this.#faultsOf(tensor, map);
    }
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

/** What the index says of files that do not hold it. */
function* unfoundedIn(map: WeightMap, files: readonly SafetensorsFile[]): Generator<Problem> {
  for (const file of files) {
    for (const name of map.tensors.get(basename(file.path)) ?? []) {
      if (file.tensors.has(name)) continue;
      yield { path: map.path, message: `has ${name} in ${file.path}, which has no such tensor` };
    }
  }
}

/** No more are looked for than are told: a small file may claim a million experts. */
function firstFaults(faults: Generator<Problem>): Problem[] {
  const told: Problem[] = [];
  for (const fault of faults) {
    if (told.length === MOST_FAULTS) return [...told, { path: '', message: 'and more' }];
    told.push(fault);
  }
  return told;
}
