import { ArgosyError } from '#errors';
import type { CombineMode, LayerExperts, Slice, WireFormat } from '#moe';

/** One layer's slice for one shard. */
export interface ShardCall {
  readonly planEpoch: number;
  readonly layer: number;
  readonly slice: Slice;
  /** f32 [rows, hidden] */
  readonly x: Float32Array;
  readonly mode: CombineMode;
  readonly format: WireFormat;
  /** The span that asks, as W3C `traceparent`, where the step is traced. */
  readonly traceparent?: string;
}

/** Experts to be made resident, with what their weights must hash to. */
export interface LayerLoad extends LayerExperts {
  /** As `experts`. */
  readonly sha256: readonly Uint8Array[];
}

/** A shard as its coordinator uses it, in another process or in this one. One that was lost may be opened again. */
export interface Shard {
  /** For people. */
  readonly name: string;
  /**
   * Connects; done when the shard has given a sign of life. It holds nothing then, as far as the coordinator knows.
   * @throws ShardLost, Aborted
   */
  open(signal: AbortSignal): Promise<void>;
  /** What the bits of its answers follow from, as it said when it was opened; empty before. */
  readonly arithmetic: string;
  /** Until {@link open} has succeeded again, everything fails. Told once per opening, with the reason. */
  onLost(listener: (reason: ShardLost) => void): void;
  /** The shard has said that it will end: what it holds belongs elsewhere. */
  readonly draining: boolean;
  /** Told when it says so. */
  onDraining(listener: () => void): void;
  /** @throws ShardLost, ExpertsDiffer, Aborted */
  load(layers: readonly LayerLoad[], signal: AbortSignal): Promise<void>;
  unload(layers: readonly LayerExperts[], signal: AbortSignal): Promise<void>;
  publish(planEpoch: number, signal: AbortSignal): Promise<void>;
  /**
   * @returns f32, multiplied by the mixing weights: [pairs, hidden] when deterministic, [rows, hidden] when reduced
   * @throws ShardLost when it may be asked elsewhere, Aborted
   */
  forward(call: ShardCall, signal: AbortSignal): Promise<Float32Array>;
  /** Bytes sent and not answered. */
  readonly inFlightBytes: number;
  close(): Promise<void>;
}

/** A shard cannot be used: what it was asked is asked elsewhere. */
export class ShardLost extends ArgosyError {
  override readonly name = 'ShardLost';
  readonly code = 'unavailable';
  readonly retryable = true;
  readonly shard: string;
  constructor(shard: string, why: string, options?: ErrorOptions) {
    super(`Shard ${shard} is lost: ${why}.`, options);
    this.shard = shard;
  }
}

/** A shard would run other weights than its coordinator knows: it has another checkpoint, or a damaged one. */
export class ExpertsDiffer extends ArgosyError {
  override readonly name = 'ExpertsDiffer';
  readonly code = 'experts_differ';
  readonly retryable = false;
  constructor(shard: string, layer: number, experts: readonly number[]) {
    const which = `experts ${experts.join(', ')} of layer ${layer}`;
    super(`Shard ${shard} has other weights for ${which}: give it the same checkpoint as the coordinator.`);
  }
}

/** A shard of a group that is to give the same bits wherever an expert runs would give others. */
export class OtherArithmetic extends ArgosyError {
  override readonly name = 'OtherArithmetic';
  readonly code = 'other_arithmetic';
  readonly retryable = false;
  constructor({ name, arithmetic }: Pick<Shard, 'name' | 'arithmetic'>, own: string) {
    const differ = `Shard ${name} computes with "${arithmetic || 'it does not say what'}", its coordinator with "${own}"`;
    const mend =
      'Start both from the same release on the same kind of processor, or set ARGOSY_INFERENCE_COMBINE=reduced';
    super(`${differ}: the deterministic combine promises bits that the two may not agree on. ${mend}.`);
  }
}
