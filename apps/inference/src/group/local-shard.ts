import { Unavailable } from '#errors';
import { type LayerExperts, roundedTo } from '#moe';
import type { ResidentExperts } from '../shard/resident-experts.ts';
import { ExpertsDiffer, type LayerLoad, type Shard, type ShardCall, ShardLost } from './shard.ts';

/**
 * A shard in this process: its experts run on a backend of their own, in worker threads over shared memory. Nothing
 * travels, but numbers are rounded as if they did.
 */
export class LocalShard implements Shard {
  readonly name: string;
  readonly draining = false;
  readonly inFlightBytes = 0;
  readonly #start: () => ResidentExperts;
  #experts: ResidentExperts | null = null;
  #tell: (reason: ShardLost) => void = () => undefined;

  /** @param start makes the experts of one opening */
  constructor(name: string, start: () => ResidentExperts) {
    this.name = name;
    this.#start = start;
  }

  get arithmetic(): string {
    return this.#experts?.arithmetic ?? '';
  }

  onLost(listener: (reason: ShardLost) => void): void {
    this.#tell = listener;
  }

  /** Never told: this shard ends with the process. */
  onDraining(): void {}

  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.close();
    this.#experts = this.#start();
  }

  async load(layers: readonly LayerLoad[], signal: AbortSignal): Promise<void> {
    const resident = this.#opened();
    for (const { layer, experts, sha256 } of layers) {
      for (const [at, expert] of experts.entries()) {
        signal.throwIfAborted();
        const same = await resident.load(layer, expert, sha256[at] ?? new Uint8Array());
        if (!same) throw new ExpertsDiffer(this.name, layer, [expert]);
      }
    }
  }

  async unload(layers: readonly LayerExperts[]): Promise<void> {
    const resident = this.#opened();
    for (const { layer, experts } of layers) for (const expert of experts) await resident.unload(layer, expert);
  }

  async publish(planEpoch: number): Promise<void> {
    this.#opened().publish(planEpoch);
  }

  async forward({ planEpoch, layer, slice, x, mode, format }: ShardCall, signal: AbortSignal): Promise<Float32Array> {
    signal.throwIfAborted();
    const { experts, offsets, tokens, weights, rows } = slice;
    const call = { planEpoch, layer, mode, experts, offsets, tokens, weights, rows: rows.length };
    try {
      return roundedTo(await this.#opened().run({ ...call, x: roundedTo(x, format) }), format);
    } catch (error) {
      if (error instanceof Unavailable) throw this.#lose(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    const experts = this.#experts;
    this.#experts = null;
    await experts?.close();
  }

  /** Its threads have died. Opened again, it gets new ones. */
  #lose(cause: Unavailable): ShardLost {
    const reason = new ShardLost(this.name, cause.message, { cause });
    // Those of its threads that live hold weights.
    void this.close();
    this.#tell(reason);
    return reason;
  }

  #opened(): ResidentExperts {
    if (this.#experts === null) throw new ShardLost(this.name, 'it is not open');
    return this.#experts;
  }
}
