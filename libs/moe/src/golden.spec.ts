import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { PagedText } from '../../../test/support/paged-text.ts';
import { type Kernels, plainKernels } from './block.ts';
import { Checkpoint } from './checkpoint.ts';
import { localExperts } from './experts.ts';
import { decodeNumbers } from './kernels/number-format.ts';
import type { LayerTrace, Model } from './model.ts';
import { openModel } from './open-model.ts';
import { plainBackend } from './plain-backend.ts';
import { SafetensorsFile } from './safetensors.ts';

/** What the reference implementation gave: `test/golden/moe/make.py` says how. */
const golden = resolve(import.meta.dirname, '../../../test/golden/moe');
const signal = new AbortController().signal;

type Numbers = ReadonlyMap<string, Float32Array>;

/** The largest distance to the reference of each thing that it tells; ids are counted where they differ. */
interface Distance {
  readonly logits: number;
  readonly hidden: readonly number[];
  readonly weights: number;
  readonly wrongIds: number;
  readonly greedy: readonly number[];
}

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

describe.each([
  ['wide', 'normed'],
  ['wide', 'raw'],
  ['narrow', 'normed'],
  ['narrow', 'raw'],
] as const)('the %s model with %s expert weights', (name, variant) => {
  it('gives what the reference implementation gives', async () => {
    const expected = await readNumbers(join(golden, name, `expected-${variant}.safetensors`));
    const distance = await distanceTo(expected, await folderOf(name, variant), plainKernels);
    expect(distance.logits).toBeLessThan(1e-4);
    // Hidden states grow with the layers, up to about 10: f32 of another order of summation.
    for (const hidden of distance.hidden) expect(hidden).toBeLessThan(1e-4);
    expect(distance.weights).toBeLessThan(1e-5);
    expect(distance.wrongIds).toBe(0);
    expect(distance.greedy).toEqual([...at(expected, 'greedy')]);
  });
});

/** A forward pass with one thing wrong is no longer taken for the reference: what these comparisons are worth. */
describe('the comparison with the reference finds', () => {
  const width = (x: Float32Array, rows: number) => x.length / rows;
  const mutants: Readonly<Record<string, Partial<Kernels>>> = {
    'a norm left out': { norm: (x) => new Float32Array(x) },
    'a norm about the mean': {
      norm: (x, weight, epsilon) => {
        const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
        return plainKernels.norm(
          x.map((value) => value - mean),
          weight,
          epsilon,
        );
      },
    },
    'the norm of queries and keys left out': { headNorm: (x) => new Float32Array(x) },
    'rotation of neighbours in place of halves': {
      rotate: (x, positions, headDim, theta) => {
        const halves = permuted(x, headDim, (i) => (i % 2 === 0 ? i / 2 : (i - 1 + headDim) / 2));
        plainKernels.rotate(halves, positions, headDim, theta);
        x.set(permuted(halves, headDim, (i) => (i < headDim / 2 ? 2 * i : 2 * i - headDim + 1)));
      },
    },
    'rotation from position one': {
      rotate: (x, { first, rows }, headDim, theta) => {
        // Scores tell only distances, so keys alone are turned further: those of fewer heads.
        const keys = width(x, rows) < 50;
        plainKernels.rotate(x, { first: first + (keys ? 1 : 0), rows }, headDim, theta);
      },
    },
    'key heads dealt out in turn': {
      attend: (queries, past, first, shape) => {
        const { heads, headDim, kvHeads } = shape;
        const turn = (h: number) => (h % kvHeads) * (heads / kvHeads) + Math.floor(h / kvHeads);
        const order = (i: number) => turn(Math.floor(i / headDim)) * headDim + (i % headDim);
        const dealt = plainKernels.attend(permuted(queries, heads * headDim, order), past, first, shape);
        return permuted(dealt, heads * headDim, inverse(order, heads * headDim));
      },
    },
    'attention that leaves out the token itself': {
      attend: (queries, past, first, shape) => plainKernels.attend(queries, past, first - 1, shape),
    },
    'weights of experts normalised where they are not to be, and the other way round': {
      route: (logits, tokens, { topK, normalise }) =>
        plainKernels.route(logits, tokens, { topK, normalise: !normalise }),
    },
    'one expert fewer': {
      route: (logits, tokens, options) => {
        const routing = plainKernels.route(logits, tokens, options);
        return { ...routing, weights: routing.weights.map((w, i) => ((i + 1) % options.topK === 0 ? 0 : w)) };
      },
    },
    'gate and up exchanged': {
      feedForward: ({ gate, up, down }, x, rows) => plainKernels.feedForward({ gate: up, up: gate, down }, x, rows),
    },
    'experts added without their weights': { combine: (out, x) => plainKernels.combine(out, x, 1) },
  };

  it('nothing when nothing is broken', async () => {
    const expected = await readNumbers(join(golden, 'wide', 'expected-normed.safetensors'));
    expect(await lastLogitsGap(expected, join(golden, 'wide'), plainKernels)).toBeLessThan(1e-4);
  });

  it.each(Object.entries(mutants))('%s', async (_name, changed) => {
    for (const name of ['wide', 'narrow'] as const) {
      const expected = await readNumbers(join(golden, name, 'expected-normed.safetensors'));
      const distance = await lastLogitsGap(expected, join(golden, name), { ...plainKernels, ...changed });
      expect(distance).toBeGreaterThan(1e-2);
    }
  });
});

async function distanceTo(expected: Numbers, folder: string, kernels: Kernels): Promise<Distance> {
  const traced: LayerTrace[] = [];
  const model = await openedWith(folder, kernels, (layer) => traced.push(layer));
  const tokens = [...at(expected, 'tokens')];
  await new PagedText(model).append(tokens, signal);
  const layers = traced.slice();
  const { logits, greedy } = await continued(model, tokens, at(expected, 'greedy').length);
  const routed = layers.flatMap(({ layer, routing }) => (routing === null ? [] : [{ layer, routing }]));
  return {
    logits: largestGap(logits, at(expected, 'logits')),
    hidden: layers.map(({ layer, hidden }) => largestGap(hidden, at(expected, `hidden.${layer}`))),
    weights: Math.max(...routed.map((l) => largestGap(l.routing.weights, at(expected, `router_weights.${l.layer}`)))),
    wrongIds: routed.reduce((sum, l) => sum + differing(l.routing.ids, at(expected, `router_ids.${l.layer}`)), 0),
    greedy,
  };
}

/** After the whole prompt in one step. */
async function lastLogitsGap(expected: Numbers, folder: string, kernels: Kernels): Promise<number> {
  const model = await openedWith(folder, kernels);
  const tokens = [...at(expected, 'tokens')];
  const logits = await new PagedText(model).append(tokens, signal);
  return largestGap(logits, at(expected, 'logits').slice(-logits.length));
}

async function openedWith(folder: string, kernels: Kernels, trace?: (layer: LayerTrace) => void): Promise<Model> {
  const checkpoint = await Checkpoint.open(folder);
  const backend = plainBackend(kernels);
  const model = await openModel(checkpoint, backend, await localExperts(checkpoint, backend, { kernels }), { trace });
  await checkpoint.close();
  return model;
}

/** Token by token: the logits after each token of the prompt, then what the model continues with. */
async function continued(model: Model, tokens: readonly number[], count: number) {
  const text = new PagedText(model);
  const logits: number[] = [];
  const greedy: number[] = [];
  for (let i = 0; greedy.length < count; i++) {
    const token = tokens[i] ?? greedy.at(-1) ?? 0;
    const last = await text.append([token], signal);
    if (i < tokens.length) logits.push(...last);
    if (i + 1 >= tokens.length) greedy.push(last.indexOf(Math.max(...last)));
  }
  return { logits: Float32Array.from(logits), greedy };
}

function largestGap(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Infinity))), 0);
}

function differing(a: Uint16Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((sum, id, i) => sum + (id === b[i] ? 0 : 1), 0);
}

/** In each row of `width` numbers, number `i` goes to where `order` says. */
function permuted(x: Float32Array, width: number, order: (i: number) => number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(x.length);
  for (const [i, value] of x.entries()) out[i - (i % width) + order(i % width)] = value;
  return out;
}

function inverse(order: (i: number) => number, width: number): (i: number) => number {
  const back = new Map(Array.from({ length: width }, (_, i) => [order(i), i]));
  return (i) => back.get(i) ?? 0;
}

function at(numbers: Numbers, name: string): Float32Array {
  const found = numbers.get(name);
  if (found === undefined) throw new Error(`the fixture has no ${name}`);
  return found;
}

async function readNumbers(path: string): Promise<Numbers> {
  const file = await SafetensorsFile.open(path);
  const numbers = new Map<string, Float32Array>();
  for (const [name, entry] of file.tensors) {
    const out = new Float32Array(entry.bytes / 4);
    decodeNumbers(await file.read(entry), 'F32', out);
    numbers.set(name, out);
  }
  await file.close();
  return numbers;
}

/** The published folder, or one beside it whose configuration says that expert weights are not normalised. */
async function folderOf(name: string, variant: 'normed' | 'raw'): Promise<string> {
  const published = join(golden, name);
  if (variant === 'normed') return published;
  const folder = await mkdtemp(join(tmpdir(), 'argosy-golden-'));
  folders.push(folder);
  const config = JSON.parse(await readFile(join(published, 'config.json'), 'utf8'));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, norm_topk_prob: false }));
  const weights = (await readdir(published)).filter((file) => file.startsWith('model'));
  await Promise.all(weights.map((file) => symlink(join(published, file), join(folder, file))));
  return folder;
}
