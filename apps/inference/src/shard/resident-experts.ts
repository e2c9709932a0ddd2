import { ArgosyError, InvalidInput, NotFound } from '#errors';
import {
  addWeighed,
  type CombineMode,
  type ComputeBackend,
  type ExpertSource,
  gatherRows,
  type ResidentExpert,
  weighRows,
} from '#moe';

/** Where a shard reads its experts; a `Checkpoint` is one. */
export interface ExpertStore extends ExpertSource {
  readonly config: ExpertSource['config'] & { readonly hidden: number };
  /** 32 bytes, of the weights as stored. */
  expertSha256(layer: number, expert: number): Promise<Uint8Array>;
}

/** One layer's work for the experts of one shard, as in `ForwardRequest`, with x read. */
export interface ExpertCall {
  readonly planEpoch: number;
  readonly layer: number;
  readonly mode: CombineMode;
  readonly experts: Uint32Array;
  readonly offsets: Uint32Array;
  readonly tokens: Uint32Array;
  readonly weights: Float32Array;
  readonly rows: number;
  /** [rows, hidden] */
  readonly x: Float32Array;
}

/** The coordinator and this shard do not agree on where the experts are: it has to load and publish again. */
class StalePlacement extends ArgosyError {
  override readonly name = 'StalePlacement';
  readonly code = 'stale_placement';
  readonly retryable = true;
}

/** The shard may not hold more experts than it has been given memory for. */
class ShardFull extends ArgosyError {
  override readonly name = 'ShardFull';
  readonly code = 'shard_full';
  readonly retryable = false;
}

interface Held {
  readonly resident: ResidentExpert;
  /** Calls under way that use it. */
  users: number;
  /** To be freed by the last of them. */
  leaving: boolean;
}

/** The experts that a shard holds and runs. What is not resident is never read on the way: the placement decides. */
export class ResidentExperts {
  readonly #store: ExpertStore;
  readonly #backend: ComputeBackend;
  readonly #maxBytes: number;
  readonly #held = new Map<number, Held>();
  readonly #seen: Float64Array;
  #epochs: readonly number[] = [];
  #bytes = 0;
  #changing: Promise<unknown> = Promise.resolve();

  /** @param maxBytes of weights, as the backend keeps them */
  constructor(store: ExpertStore, backend: ComputeBackend, maxBytes: number) {
    this.#store = store;
    this.#backend = backend;
    this.#maxBytes = maxBytes;
    this.#seen = new Float64Array(store.config.sparse.length * store.config.experts);
  }

  get config(): ExpertStore['config'] {
    return this.#store.config;
  }

  /** Of the backend that runs them. */
  get arithmetic(): string {
    return this.#backend.arithmetic;
  }

  get count(): number {
    return this.#held.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The newest published; 0 before any. */
  get planEpoch(): number {
    return this.#epochs.at(-1) ?? 0;
  }

  /** Tokens that each expert has seen so far, [layers, experts]. */
  tokensSeen(): Float64Array {
    return this.#seen.slice();
  }

  /**
   * Makes an expert resident; one that is already is left as it is.
   * @returns false when what this shard would read is not what the coordinator has: it stays out
   * @throws NotFound, ShardFull, or what the checkpoint says
   */
  async load(layer: number, expert: number, sha256: Uint8Array): Promise<boolean> {
    return await this.#inTurn(() => this.#load(layer, expert, sha256));
  }

  /** Frees an expert, after the calls under way that use it; one that is not resident is no fault. @throws NotFound */
  async unload(layer: number, expert: number): Promise<void> {
    const key = this.#key(layer, expert);
    await this.#inTurn(async () => {
      const held = this.#held.get(key);
      if (held === undefined) return;
      held.leaving = true;
      this.#freeIdle(key, held);
    });
  }

  /** From now on this epoch is accepted; of those before, the last one still is, for what is under way. */
  publish(planEpoch: number): void {
    if (this.#epochs.includes(planEpoch)) return;
    this.#epochs = [...this.#epochs, planEpoch].slice(-2);
  }

  /**
   * @returns f32 rows, multiplied by the mixing weights: [pairs, hidden] when deterministic, [rows, hidden] when reduced
   * @throws InvalidInput, StalePlacement
   */
  async run(call: ExpertCall): Promise<Float32Array> {
    this.#checkPlacement(call);
    checkShape(call, this.config.hidden);
    const users = Array.from(call.experts, (expert) => this.#use(call.layer, expert));
    try {
      const outputs = await this.#runAll(call, users);
      for (const [group, expert] of call.experts.entries()) this.#count(call, group, expert);
      return answerOf(call, outputs, this.config.hidden);
    } finally {
      for (const [group, held] of users.entries()) {
        held.users -= 1;
        this.#freeIdle(this.#key(call.layer, call.experts[group] ?? 0), held);
      }
    }
  }

  /** Frees everything and the backend with it. */
  async close(): Promise<void> {
    this.#held.clear();
    this.#bytes = 0;
    await this.#backend.close();
  }

  /** One change at a time: a stream that was broken off may still load what its successor loads or frees. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changing.then(work);
    this.#changing = turn.catch(() => undefined);
    return await turn;
  }

  async #load(layer: number, expert: number, sha256: Uint8Array): Promise<boolean> {
    const key = this.#key(layer, expert);
    if (!Buffer.from(await this.#store.expertSha256(layer, expert)).equals(sha256)) return false;
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.leaving = false;
      return true;
    }
    const resident = await this.#backend.loadExpert(await this.#store.expert(layer, expert));
    if (this.#bytes + resident.bytes > this.#maxBytes) {
      this.#backend.free(resident);
      const room = `${this.#bytes} of ${this.#maxBytes} bytes are taken, it needs ${resident.bytes}`;
      throw new ShardFull(`There is no memory for expert ${expert} of layer ${layer}: ${room}. Unload others first.`);
    }
    this.#bytes += resident.bytes;
    this.#held.set(key, { resident, users: 0, leaving: false });
    return true;
  }

  /** @returns of each expert [its tokens, hidden] */
  async #runAll(call: ExpertCall, users: readonly Held[]): Promise<Float32Array[]> {
    const { hidden } = this.config;
    const runs = users.map(async ({ resident }, group) => {
      const [first, end] = boundsOf(call, group);
      const x = gatherRows(call.x, call.tokens.subarray(first, end), hidden);
      const rows = await this.#backend.runExpert(resident, x, end - first);
      if (rows.length === x.length) return rows;
      throw new Error(`the backend gave ${rows.length} numbers for ${x.length}`);
    });
    // Every run is waited for, so that no expert is freed under one.
    const outcomes = await Promise.allSettled(runs);
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  #key(layer: number, expert: number): number {
    const { sparse, experts } = this.config;
    if (sparse[layer] !== true || expert >= experts) {
      throw new NotFound(`The checkpoint has no expert ${expert} in layer ${layer}.`);
    }
    return layer * experts + expert;
  }

  #checkPlacement({ planEpoch, layer, experts }: ExpertCall): void {
    if (!this.#epochs.includes(planEpoch)) {
      const known = this.#epochs.join(' and ') || 'none';
      throw new StalePlacement(`Placement ${planEpoch} is not known here (known: ${known}). Publish it first.`);
    }
    const missing = Array.from(experts).filter((expert) => !this.#held.has(layer * this.config.experts + expert));
    if (missing.length === 0) return;
    throw new StalePlacement(`Experts ${missing.join(', ')} of layer ${layer} are not resident. Load them first.`);
  }

  #use(layer: number, expert: number): Held {
    const held = this.#held.get(this.#key(layer, expert));
    if (held === undefined) throw new Error(`expert ${expert} of layer ${layer} went between check and use`);
    held.users += 1;
    return held;
  }

  #count({ layer, offsets }: ExpertCall, group: number, expert: number): void {
    const at = layer * this.config.experts + expert;
    this.#seen[at] = (this.#seen[at] ?? 0) + (offsets[group + 1] ?? 0) - (offsets[group] ?? 0);
  }

  #freeIdle(key: number, held: Held): void {
    if (!held.leaving || held.users > 0 || this.#held.get(key) !== held) return;
    this.#held.delete(key);
    this.#bytes -= held.resident.bytes;
    this.#backend.free(held.resident);
  }
}

function boundsOf({ offsets }: ExpertCall, group: number): [first: number, end: number] {
  return [offsets[group] ?? 0, offsets[group + 1] ?? 0];
}

/** What the experts gave, multiplied by the weights: as it is, or added in ascending order of experts. */
function answerOf(call: ExpertCall, outputs: readonly Float32Array[], hidden: number): Float32Array {
  const parts = outputs.map((rows, group) => {
    const [first, end] = boundsOf(call, group);
    return { rows, tokens: call.tokens.subarray(first, end), weights: call.weights.subarray(first, end), first };
  });
  if (call.mode === 'reduced') {
    const sum = new Float32Array(call.rows * hidden);
    for (const part of parts) addWeighed(sum, part, hidden);
    return sum;
  }
  // A row that nobody writes is no number and does not pass for an answer.
  const y = new Float32Array(call.tokens.length * hidden).fill(Number.NaN);
  for (const { rows, weights, first } of parts) weighRows(rows, weights, hidden, y.subarray(first * hidden));
  return y;
}

/** Bytes of the longest answer. */
const maxAnswerBytes = 2 ** 26;

/** @throws InvalidInput naming the field whose length or order does not fit the others */
function checkShape({ experts, offsets, tokens, weights, rows, x }: ExpertCall, hidden: number): void {
  const faults: readonly (readonly [path: string, fits: boolean, message: string])[] = [
    ['x', x.length === rows * hidden, `has ${x.length} numbers; ${rows} rows of ${hidden} take ${rows * hidden}`],
    ['expert_ids', rises(experts), 'are not ascending'],
    ['offsets', offsets.length === experts.length + 1, `are ${offsets.length} for ${experts.length} experts`],
    ['offsets', offsets[0] === 0 && rises(offsets), 'do not rise from 0: each expert has a token or is left out'],
    ['token_indices', tokens.length === offsets.at(-1), `are ${tokens.length}; the last offset is ${offsets.at(-1)}`],
    ['token_indices', tokens.every((row) => row < rows), `go beyond the ${rows} rows of x`],
    ['weights', weights.length === tokens.length, `are ${weights.length} for ${tokens.length} pairs`],
    ['token_indices', tokens.length * hidden * 4 <= maxAnswerBytes, `give more than ${maxAnswerBytes} bytes`],
  ];
  const problems = faults.filter(([, fits]) => !fits).map(([path, , message]) => ({ path, message }));
  if (problems.length > 0) throw new InvalidInput(problems);
}

function rises(values: Uint32Array): boolean {
  return values.every((value, at) => at === 0 || value > (values[at - 1] ?? 0));
}
