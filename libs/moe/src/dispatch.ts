/** Which token goes to which expert on which shard. Pure; layouts are those of `proto/argosy/expert/v1`. */
import type { Routing } from './kernels/route.ts';

/**
 * The pairs of token and expert of one layer, grouped by expert. Pair `j` with `offsets[i] <= j < offsets[i + 1]` sends
 * token `tokens[j]` to expert `experts[i]` with mixing weight `weights[j]`.
 */
export interface ExpertPairs {
  /** [experts], ascending; those that no token goes to are left out. */
  readonly experts: Uint32Array;
  /** [experts + 1], from 0, ascending. */
  readonly offsets: Uint32Array;
  /** [pairs], ascending within an expert. */
  readonly tokens: Uint32Array;
  /** [pairs] */
  readonly weights: Float32Array;
}

/**
 * Groups what a router chose by expert.
 * @throws RangeError for an expert that is not below `experts`. Cost O(pairs + experts)
 */
export function groupByExpert({ tokens, topK, ids, weights }: Routing, experts: number): ExpertPairs {
  const starts = new Uint32Array(experts + 1);
  for (const id of ids) {
    if (id >= experts) throw new RangeError(`expert ${id} of ${experts}`);
    starts[id + 1] = (starts[id + 1] ?? 0) + 1;
  }
  const [used, ends]: [number[], number[]] = [[], [0]];
  for (let id = 0; id < experts; id++) {
    const [start, count] = [starts[id] ?? 0, starts[id + 1] ?? 0];
    starts[id + 1] = start + count;
    if (count === 0) continue;
    used.push(id);
    ends.push(start + count);
  }
  const grouped = { tokens: new Uint32Array(ids.length), weights: new Float32Array(ids.length) };
  for (let token = 0; token < tokens; token++) {
    for (let rank = token * topK; rank < (token + 1) * topK; rank++) {
      const at = starts[ids[rank] ?? 0] ?? 0;
      starts[ids[rank] ?? 0] = at + 1;
      grouped.tokens[at] = token;
      grouped.weights[at] = weights[rank] ?? 0;
    }
  }
  return { experts: Uint32Array.from(used), offsets: Uint32Array.from(ends), ...grouped };
}

/** Where the experts of one layer can run now. */
export interface Choice {
  readonly layer: number;
  /** The living shards that hold the expert, ascending; none for an orphan. */
  holdersOf(expert: number): readonly number[];
  /** Pairs that each shard has not answered yet, by its number. */
  outstanding(shard: number): number;
}

/** Pairs by the shard that is to run them, ascending; `orphans` are the experts that no living shard holds. */
export interface Assignment {
  readonly byShard: ReadonlyMap<number, Uint32Array>;
  readonly orphans: readonly number[];
}

/** Fewer tokens of one expert are not shared between replicas: reading its weights costs more than they do. */
const splitTokens = 32;

/**
 * Chooses a replica for each pair: the one with the least outstanding, on ties by a hash of layer and expert, so that
 * the same step goes the same way. Experts without a choice are counted first, then those with the most tokens.
 * @param work which pairs, ascending; all of them unless some are sent again
 */
export function assign(pairs: ExpertPairs, work: Uint32Array, choice: Choice): Assignment {
  const busy = new Map<number, number>();
  const load = (shard: number): number => choice.outstanding(shard) + (busy.get(shard) ?? 0);
  const byShard = new Map<number, number[]>();
  const orphans: number[] = [];
  for (const { expert, chosen, holders } of runsOf(pairs, work, choice)) {
    if (holders.length === 0) orphans.push(expert);
    const parts = Math.min(holders.length, Math.ceil(chosen.length / splitTokens));
    for (let part = 0; part < parts; part++) {
      const first = Math.floor((part * chosen.length) / parts);
      const share = chosen.subarray(first, Math.floor(((part + 1) * chosen.length) / parts));
      const shard = leastLoaded(holders, load, hash(choice.layer, expert));
      busy.set(shard, (busy.get(shard) ?? 0) + share.length);
      const indices = byShard.get(shard) ?? [];
      indices.push(...share);
      byShard.set(shard, indices);
    }
  }
  return {
    byShard: new Map([...byShard].map(([shard, indices]) => [shard, Uint32Array.from(indices).sort()])),
    orphans: orphans.sort((a, b) => a - b),
  };
}

/** @param dice chooses among equals */
function leastLoaded(holders: readonly number[], load: (shard: number) => number, dice: number): number {
  const [only = 0] = holders;
  if (holders.length === 1) return only;
  const loads = holders.map(load);
  const fewest = Math.min(...loads);
  const tied = holders.filter((_, at) => loads[at] === fewest);
  return tied[dice % tied.length] ?? 0;
}

interface Run {
  readonly expert: number;
  readonly chosen: Uint32Array;
  readonly holders: readonly number[];
}

/** The pairs of `work` expert by expert, in the order in which they are placed. */
function runsOf(pairs: ExpertPairs, work: Uint32Array, { holdersOf }: Choice): Run[] {
  const runs: Run[] = [];
  for (let at = 0, group = 0; at < work.length; group++) {
    const end = pairs.offsets[group + 1] ?? pairs.tokens.length;
    const first = at;
    while (at < work.length && (work[at] ?? 0) < end) at += 1;
    if (at === first) continue;
    const expert = pairs.experts[group] ?? 0;
    runs.push({ expert, chosen: work.subarray(first, at), holders: holdersOf(expert) });
  }
  const free = ({ holders }: Run): number => (holders.length > 1 ? 1 : 0);
  return runs.sort((a, b) => free(a) - free(b) || b.chosen.length - a.chosen.length || a.expert - b.expert);
}

function hash(layer: number, expert: number): number {
  const mixed = Math.imul(layer + 1, 0x9e3779b1) ^ Math.imul(expert + 1, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** What one shard is asked: the pairs of a layer with the tokens counted within the request. */
export interface Slice extends ExpertPairs {
  /** [pairs], ascending: which pairs of the layer these are. */
  readonly pairs: Uint32Array;
  /** [rows], ascending: the token of the layer that each row of the request's x is. `tokens` counts within these. */
  readonly rows: Uint32Array;
}

/** Cuts some pairs, ascending, out of a layer's. Each token is sent once, however many of its experts are asked. */
export function sliceOf(pairs: ExpertPairs, chosen: Uint32Array): Slice {
  const { rows, rowOf } = rowsOf(pairs, chosen);
  const experts: number[] = [];
  const offsets: number[] = [];
  for (let at = 0, group = 0; at < chosen.length; at++) {
    const before = group;
    while ((chosen[at] ?? 0) >= (pairs.offsets[group + 1] ?? Infinity)) group += 1;
    if (at > 0 && group === before) continue;
    experts.push(pairs.experts[group] ?? 0);
    offsets.push(at);
  }
  return {
    experts: Uint32Array.from(experts),
    offsets: Uint32Array.from([...offsets, chosen.length]),
    tokens: chosen.map((pair) => rowOf[pairs.tokens[pair] ?? 0] ?? 0),
    weights: new Float32Array(chosen.length).map((_, at) => pairs.weights[chosen[at] ?? 0] ?? 0),
    pairs: chosen,
    rows,
  };
}

/** The tokens of some pairs, each once, ascending; and by token, which of them it is. */
function rowsOf({ tokens }: ExpertPairs, chosen: Uint32Array): { readonly rows: Uint32Array; rowOf: Uint32Array } {
  let last = 0;
  for (const pair of chosen) last = Math.max(last, tokens[pair] ?? 0);
  const rowOf = new Uint32Array(last + 1);
  for (const pair of chosen) rowOf[tokens[pair] ?? 0] = 1;
  const rows: number[] = [];
  for (let token = 0; token <= last; token++) {
    if (rowOf[token] === 0) continue;
    rowOf[token] = rows.length;
    rows.push(token);
  }
  return { rows: Uint32Array.from(rows), rowOf };
}

/** The rows of `x`, f32 [tokens, hidden], that a slice needs: f32 [rows, hidden]; `x` itself where that is all of it. */
export function gatherRows(x: Float32Array, rows: Uint32Array, hidden: number): Float32Array {
  if (rows.length * hidden === x.length && rows.every((token, row) => token === row)) return x;
  const gathered = new Float32Array(rows.length * hidden);
  for (const [row, token] of rows.entries()) {
    gathered.set(x.subarray(token * hidden, (token + 1) * hidden), row * hidden);
  }
  return gathered;
}
