import { Aborted } from '#errors';
import type { ComputeBackend, ResidentExpert } from './backend.ts';
import { type Kernels, plainKernels } from './block.ts';
import { roundedTo, type WireFormat } from './dispatch-format.ts';
import type { ExpertWeights } from './kernels/feed-forward.ts';
import type { Routing } from './kernels/route.ts';

/** The experts of all layers, wherever they are. */
export interface Experts {
  /**
   * @param x f32 [tokens, hidden], row-major
   * @returns new f32 [tokens, hidden]: of each token the weighted sum over its experts
   */
  apply(layer: number, x: Float32Array, routing: Routing, signal: AbortSignal): Promise<Float32Array>;
}

/** Where experts are read from; a `Checkpoint` is one. */
export interface ExpertSource {
  readonly config: { readonly experts: number; readonly sparse: readonly boolean[] };
  expert(layer: number, expert: number): Promise<ExpertWeights>;
}

/**
 * `signal` ends the loading; `format` rounds as a wire to shards would, so that one machine computes what a group does,
 * default f32; `kernels` others than the plain ones in mutation tests only.
 */
export interface LocalOptions {
  readonly signal?: AbortSignal | undefined;
  readonly format?: WireFormat | undefined;
  readonly kernels?: Pick<Kernels, 'combine'> | undefined;
}

/**
 * All experts on one backend. Deterministic: each token's experts are added in ascending order of their ids, in f32.
 * @throws InvalidInput when the checkpoint cannot be read or holds numbers that are none, Aborted
 */
export async function localExperts(
  source: ExpertSource,
  backend: ComputeBackend,
  { signal: loading, format = 'f32', kernels = plainKernels }: LocalOptions = {},
): Promise<Experts> {
  const layers: ResidentExpert[][] = [];
  for (const [layer, sparse] of source.config.sparse.entries()) {
    const resident: ResidentExpert[] = [];
    for (let expert = 0; sparse && expert < source.config.experts; expert++) {
      if (loading?.aborted) throw new Aborted('Loading experts was stopped', { cause: loading.reason });
      resident.push(await backend.loadExpert(await source.expert(layer, expert)));
    }
    layers.push(resident);
  }
  return {
    async apply(layer, x, routing, signal) {
      if (signal.aborted) throw new Aborted('The step was stopped', { cause: signal.reason });
      const hidden = x.length / routing.tokens;
      const visits = visitsByExpert(routing);
      const sent = roundedTo(x, format);
      const ran = visits.map(async ({ expert, tokens }) => {
        const resident = layers[layer]?.[expert];
        if (resident === undefined) throw new Error(`layer ${layer} has no expert ${expert}`);
        return await backend.runExpert(resident, gatherRows(sent, tokens, hidden), tokens.length);
      });
      const outputs = await Promise.all(ran);
      const out = new Float32Array(x.length);
      for (const [i, { tokens, weights }] of visits.entries()) {
        for (const [row, token] of tokens.entries()) {
          const from = outputs[i]?.subarray(row * hidden, (row + 1) * hidden) ?? new Float32Array(0);
          const weighed = new Float32Array(hidden);
          kernels.combine(weighed, from, weights[row] ?? 0);
          kernels.combine(out.subarray(token * hidden, (token + 1) * hidden), roundedTo(weighed, format), 1);
        }
      }
      return out;
    },
  };
}

interface Visit {
  readonly expert: number;
  /** Ascending. */
  readonly tokens: readonly number[];
  /** As `tokens`. */
  readonly weights: readonly number[];
}

/** The tokens of each expert that has any, by ascending expert. */
function visitsByExpert({ tokens, topK, ids, weights }: Routing): Visit[] {
  const visits = new Map<number, { expert: number; tokens: number[]; weights: number[] }>();
  for (let at = 0; at < tokens * topK; at++) {
    const expert = ids[at] ?? 0;
    const visit = visits.get(expert) ?? { expert, tokens: [], weights: [] };
    visit.tokens.push(Math.floor(at / topK));
    visit.weights.push(weights[at] ?? 0);
    visits.set(expert, visit);
  }
  return [...visits.values()].sort((a, b) => a.expert - b.expert);
}

function gatherRows(x: Float32Array, rows: readonly number[], width: number): Float32Array {
  const out = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) out.set(x.subarray(row * width, (row + 1) * width), i * width);
  return out;
}
