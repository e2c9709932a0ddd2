import { Aborted, messageOf } from '#errors';
import {
  balance,
  combine,
  type ExpertDemand,
  type ExpertPairs,
  type Experts,
  followLoad,
  groupByExpert,
  movesBetween,
  type Placement,
  type PlacementLimits,
  placeOrphans,
  planPlacement,
  type Routing,
  TooFewSlots,
} from '#moe';
import { type Logger, spanHere } from '#platform';
import type { ExpertStore } from '../shard/resident-experts.ts';
import type { Seating } from './expert-map.ts';
import { type AnsweredTokens, LayerRun, type LayerRunSettings } from './layer-run.ts';
import { type Member, Members } from './members.ts';
import { Plans } from './plans.ts';
import type { Shard } from './shard.ts';
import { tellsShards } from './shard-spans.ts';

/** `patienceMs` is the longest wait of a layer for experts that no living shard holds or that do not answer. */
export interface GroupSettings extends LayerRunSettings {
  readonly limits: PlacementLimits;
  /** Steps between two looks at whether another placement is worth its moves. */
  readonly replanSteps: number;
  /** Of activations that one request carries; more tokens are cut into blocks. */
  readonly blockBytes: number;
  /** Of the coordinator's own backend; in the deterministic mode its shards must have the same. */
  readonly arithmetic: string;
}

/** What a step weighs in the mean load: half is forgotten in 14 steps. */
const stepWeight = 0.05;
/** A placement that is this much more even is worth its moves. */
const worthwhileGain = 1.05;

/**
 * The experts of a model on several shards: sends each token to the shards of its experts, adds up what comes back, and
 * keeps doing so when shards die. Which shard holds what follows the load, between steps.
 */
export class ExpertGroup implements Experts {
  readonly #store: ExpertStore;
  readonly #settings: GroupSettings;
  readonly #logger: Logger;
  readonly #members: Members;
  readonly #plans: Plans;
  /** Numbers of the layers that have experts, ascending. */
  readonly #layers: readonly number[];
  readonly #load: Float64Array;
  readonly #seen: Float64Array;
  readonly #run: LayerRun;
  #steps = 0;
  #lastLayer = -1;
  #placedFor = 0;
  #recovery: Promise<void> | null = null;
  #fault: unknown = null;

  private constructor(shards: readonly Shard[], store: ExpertStore, settings: GroupSettings, logger: Logger) {
    this.#store = store;
    this.#settings = settings;
    this.#logger = logger;
    const bits = { arithmetic: settings.arithmetic, same: settings.mode === 'deterministic' };
    this.#members = new Members(shards, bits, logger, () => this.#settle());
    this.#layers = store.config.sparse.flatMap((sparse, layer) => (sparse ? [layer] : []));
    this.#plans = new Plans(this.#members, store, this.#layers);
    this.#load = new Float64Array(this.#layers.length * store.config.experts);
    this.#seen = new Float64Array(this.#load.length);
    const group = this;
    this.#run = new LayerRun(this.#members, this.#plans, settings, {
      recovered: () => this.#recovered(),
      get faults() {
        return [group.#fault, group.#members.lastLoss].filter((fault) => fault !== null);
      },
    });
  }

  /**
   * Connects to the shards and places the experts.
   * @param store the coordinator's own checkpoint, whose weights the shards must have
   * @param first where the experts are at first; planned for an even load where not given
   * @throws ShardLost, OtherArithmetic, ExpertsDiffer, TooFewSlots
   */
  static async start(
    shards: readonly Shard[],
    store: ExpertStore,
    around: { readonly settings: GroupSettings; readonly logger: Logger; readonly first?: Placement },
  ): Promise<ExpertGroup> {
    const group = new ExpertGroup(shards, store, around.settings, around.logger);
    try {
      await group.#members.openAll();
      await group.#plans.change((staying) => around.first ?? group.#planFor(staying), 'now');
      group.#placedFor = group.#members.changes;
      return group;
    } catch (error) {
      await group.close();
      throw error;
    }
  }

  /** Grows by one with each change of placement. */
  get planEpoch(): number {
    return this.#plans.current.epoch;
  }

  /** How evenly the shards were loaded of late, 0 to 1. */
  get evenness(): number {
    return balance(this.#plans.current.placement, this.#load, this.#members.all.length);
  }

  /** Tokens that each shard's experts have answered, by shard, layer and expert. */
  get answered(): readonly AnsweredTokens[] {
    return this.#run.answered;
  }

  /** Tokens that each shard has answered, by its number. */
  get answeredTokens(): ReadonlyMap<number, number> {
    return this.#run.answeredTokens;
  }

  get shards(): { readonly open: number; readonly all: number } {
    const { all } = this.#members;
    return { open: all.filter(({ open }) => open).length, all: all.length };
  }

  /** Where the experts are by the placement in use, whose layers are numbered as in the model. */
  get seating(): Seating {
    const shards = this.#members.all.map(({ open, shard: { name } }) => ({ open, name }));
    return { layers: this.#layers, placement: this.#plans.current.placement, shards };
  }

  /** @throws ExpertsUnavailable, Aborted */
  async apply(layer: number, x: Float32Array, routing: Routing, signal: AbortSignal): Promise<Float32Array> {
    const { hidden, experts } = this.#store.config;
    const index = this.#layers.indexOf(layer);
    if (index < 0) throw new Error(`layer ${layer} has no experts`);
    if (index <= this.#lastLayer) this.#beginStep();
    this.#lastLayer = index;
    // As many as fit a request; where a token has more experts than usual, its answer is the larger part.
    const tokenBytes = hidden * 4 * Math.max(1, routing.topK / 8);
    const blockTokens = Math.max(1, Math.floor(this.#settings.blockBytes / tokenBytes));
    const out = new Float32Array(x.length);
    const isTraced = spanHere() !== undefined && tellsShards(index, this.#layers.length);
    const blocks: Promise<void>[] = [];
    for (let from = 0; from < routing.tokens; from += blockTokens) {
      const tokens = Math.min(blockTokens, routing.tokens - from);
      const own = x.subarray(from * hidden, (from + tokens) * hidden);
      const pairs = groupByExpert(blockOf(routing, from, tokens), experts);
      this.#note(index, pairs);
      blocks.push(
        this.#run.run({ index, layer, x: own, hidden, pairs, isTraced }, signal).then((parts) => {
          out.set(combine(this.#settings.mode, pairs, parts, { tokens, hidden }), from * hidden);
        }),
      );
    }
    await Promise.all(blocks);
    return out;
  }

  /** Looks now whether another placement is worth it, as is done every `replanSteps`; used from the next step on. */
  async replan(): Promise<void> {
    await this.#plans.change((staying) => this.#worthwhile(staying), 'at the border');
  }

  async close(): Promise<void> {
    await this.#members.close();
  }

  /** The border of a step: what it was learned from the last one, and a placement that is ready, are used now. */
  #beginStep(): void {
    followLoad(this.#load, this.#seen, stepWeight);
    this.#seen.fill(0);
    this.#steps += 1;
    this.#plans.adopt();
    if (this.#plans.changing) return;
    const { changes } = this.#members;
    if (changes !== this.#placedFor) {
      this.#placedFor = changes;
      this.#inBackground((staying) => this.#planFor(staying, 1));
    } else if (this.#steps % this.#settings.replanSteps === 0) {
      this.#inBackground((staying) => this.#worthwhile(staying));
    }
  }

  #inBackground(choose: (staying: readonly Member[]) => Placement | null): void {
    this.#plans.change(choose, 'at the border').catch((error: unknown) => {
      this.#logger.log('warn', 'placement not changed', { message: messageOf(error) });
    });
  }

  /** What each expert had to do of late. */
  get demand(): ExpertDemand {
    return { layers: this.#layers.length, experts: this.#store.config.experts, load: this.#load };
  }

  /** @param fewest replicas to be content with where there is no room for as many as wanted */
  #planFor(staying: readonly Member[], fewest = this.#settings.limits.minReplicas): Placement {
    const { limits } = this.#settings;
    const shards = staying.map(({ number }) => number);
    for (let minReplicas = limits.minReplicas; ; minReplicas--) {
      try {
        const placement = planPlacement(this.demand, shards, { ...limits, minReplicas });
        this.#logger.log('info', 'placement planned', {
          shards: shards.length,
          minReplicas,
          moves: movesBetween(this.#plans.current.placement, placement),
        });
        return placement;
      } catch (error) {
        if (!(error instanceof TooFewSlots) || minReplicas <= fewest) throw error;
      }
    }
  }

  #worthwhile(staying: readonly Member[]): Placement | null {
    const { placement } = this.#plans.current;
    const planned = this.#planFor(staying, 1);
    const evenness = (one: Placement): number => balance(one, this.#load, this.#members.all.length);
    return evenness(planned) >= worthwhileGain * evenness(placement) ? planned : null;
  }

  /** What a shard that is gone or goes held alone is placed elsewhere at once, whether or not a step is under way. */
  #settle(): void {
    if (this.planEpoch === 0) return;
    this.#recovered().catch((error: unknown) => {
      if (!this.#members.signal.aborted) throw error;
    });
  }

  /** One recovery at a time, for all steps that need it. It goes on when their patience is over. */
  #recovered(): Promise<void> {
    this.#recovery ??= this.#recover().finally(() => {
      this.#recovery = null;
    });
    return this.#recovery;
  }

  async #recover(): Promise<void> {
    const { signal } = this.#members;
    while (!signal.aborted) {
      const { changes, changed } = this.#members;
      try {
        await this.#plans.change((staying) => this.#withoutOrphans(staying), 'now');
        this.#fault = null;
        if (changes === this.#members.changes) return;
        continue;
      } catch (error) {
        this.#fault = error;
        this.#logger.log('warn', 'experts are missing', { message: messageOf(error) });
      }
      // Nothing else can be done until a shard comes or goes; one may have while this was tried.
      if (changes === this.#members.changes) await changed;
    }
    throw new Aborted('The group was closed');
  }

  /** Those that hold something take the orphans if they can; else those that have come back must load all of theirs. */
  #withoutOrphans(staying: readonly Member[]): Placement | null {
    const { epoch, placement } = this.#plans.current;
    const serving = staying.filter(({ number }) => this.#members.serves(number, epoch)).map(({ number }) => number);
    const held = placement.holders.flat().every((holders) => holders.some((shard) => serving.includes(shard)));
    const leaving = this.#members.all.some(({ open, shard, resident }) => open && shard.draining && resident.size > 0);
    if (held && !leaving) return null;
    const place = (shards: readonly number[]) => placeOrphans(placement, this.demand, shards, this.#settings.limits);
    try {
      return place(serving);
    } catch (error) {
      if (!(error instanceof TooFewSlots) || serving.length === staying.length) throw error;
      return place(staying.map(({ number }) => number));
    }
  }

  #note(index: number, { experts, offsets }: ExpertPairs): void {
    for (const [group, expert] of experts.entries()) {
      const at = index * this.#store.config.experts + expert;
      this.#seen[at] = (this.#seen[at] ?? 0) + (offsets[group + 1] ?? 0) - (offsets[group] ?? 0);
    }
  }
}

function blockOf({ topK, ids, weights }: Routing, from: number, tokens: number): Routing {
  const [start, end] = [from * topK, (from + tokens) * topK];
  return { tokens, topK, ids: ids.subarray(start, end), weights: weights.subarray(start, end) };
}
