import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '#platform';
import { OtherArithmetic, type Shard, ShardLost } from './shard.ts';

/** Between two tries to open a lost shard: the first wait, and the longest after doubling. */
const reopenMs = { first: 250, longest: 5_000 };

/** A shard and what its coordinator knows it to hold. All of it is forgotten when the shard is lost. */
export interface Member {
  readonly number: number;
  readonly shard: Shard;
  open: boolean;
  /** Placements that it accepts. */
  epochs: readonly number[];
  /** Experts that it has loaded, as `layer * experts + expert`. */
  readonly resident: Set<number>;
  /** Those that it was told to load, and may have when that was broken off. */
  readonly doubtful: Set<number>;
}

/** What a group asks of its shards' numbers. */
export interface Bits {
  /** Of the coordinator. */
  readonly arithmetic: string;
  /** True where shards of another arithmetic are refused; else that there is one is said once. */
  readonly same: boolean;
}

/** The shards of a group: who is there, who was lost, and the way back. */
export class Members {
  readonly all: readonly Member[];
  readonly #logger: Logger;
  readonly #bits: Bits;
  readonly #tell: () => void;
  readonly #end = new AbortController();
  readonly #returning = new Set<Promise<void>>();
  #saidMixed = false;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Grows when a shard is lost, has come back, or says that it will go. */
  changes = 0;
  /** Why the last one that was lost was lost. */
  lastLoss: ShardLost | null = null;

  /** @param tell is called after each change */
  constructor(shards: readonly Shard[], bits: Bits, logger: Logger, tell: () => void) {
    this.#bits = bits;
    this.#logger = logger;
    this.#tell = tell;
    this.all = shards.map((shard, number) => ({
      number,
      shard,
      open: false,
      epochs: [],
      resident: new Set(),
      doubtful: new Set(),
    }));
    for (const member of this.all) {
      member.shard.onLost((reason) => this.lose(member, reason));
      member.shard.onDraining(() => this.#change());
    }
  }

  /** Those that are there and mean to stay. */
  get staying(): readonly Member[] {
    return this.all.filter(({ open, shard }) => open && !shard.draining);
  }

  /** True when the shard accepts this placement. One that drains does so to its end. */
  serves(shard: number, planEpoch: number): boolean {
    const member = this.all[shard];
    return member?.open === true && member.epochs.includes(planEpoch);
  }

  /** Aborts when the group ends. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Done at the next change. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Opens all of them. @throws ShardLost, OtherArithmetic of the first that cannot be */
  async openAll(): Promise<void> {
    await Promise.all(this.all.map((member) => this.#open(member)));
  }

  /** Nothing is asked of this shard any more until it has been opened again, which is tried from now on. */
  lose(member: Member, reason: ShardLost): void {
    if (!member.open || this.signal.aborted) return;
    this.#forget(member);
    this.lastLoss = reason;
    this.#logger.log('warn', 'shard lost', { shard: member.shard.name, message: reason.message });
    this.#change();
    const back = this.#reopen(member).finally(() => this.#returning.delete(back));
    this.#returning.add(back);
  }

  /** Leaves a shard that holds nothing any more. */
  async dismiss(member: Member): Promise<void> {
    await member.shard.close();
    this.lose(member, new ShardLost(member.shard.name, 'it has left'));
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#change();
    await Promise.all(this.#returning);
    await Promise.all(this.all.map(({ shard }) => shard.close()));
  }

  async #open(member: Member): Promise<void> {
    await member.shard.open(this.signal);
    await this.#compare(member.shard);
    this.#forget(member);
    member.open = true;
  }

  /** @throws OtherArithmetic where the bits are to be the same */
  async #compare(shard: Shard): Promise<void> {
    const { arithmetic, same } = this.#bits;
    if (shard.arithmetic === arithmetic) return;
    if (same) {
      const refusal = new OtherArithmetic(shard, arithmetic);
      await shard.close();
      throw refusal;
    }
    if (this.#saidMixed) return;
    this.#saidMixed = true;
    const both = { shard: shard.name, arithmetic: shard.arithmetic, own: arithmetic };
    this.#logger.log('info', 'shards compute with different arithmetic', both);
  }

  async #reopen(member: Member): Promise<void> {
    let saidRefused = false;
    for (let waitMs = reopenMs.first; ; waitMs = Math.min(2 * waitMs, reopenMs.longest)) {
      await pause(waitMs, undefined, { signal: this.signal }).catch(() => undefined);
      if (this.signal.aborted) return;
      try {
        await this.#open(member);
        this.#logger.log('info', 'shard is back', { shard: member.shard.name });
        this.#change();
        return;
      } catch (error) {
        // Why it is away was said when it was lost; that it still is, is nothing new.
        if (!(error instanceof OtherArithmetic) || saidRefused) continue;
        saidRefused = true;
        this.#logger.log('warn', 'shard refused', { shard: member.shard.name, message: error.message });
      }
    }
  }

  #forget(member: Member): void {
    member.open = false;
    member.epochs = [];
    member.resident.clear();
    member.doubtful.clear();
  }

  #change(): void {
    this.changes += 1;
    const changed = this.#changed;
    this.#changed = Promise.withResolvers();
    changed.resolve();
    this.#tell();
  }
}
