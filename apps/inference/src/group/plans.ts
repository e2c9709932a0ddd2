import { heldBy, type LayerExperts, type Placement } from '#moe';
import type { ExpertStore } from '../shard/resident-experts.ts';
import type { Member, Members } from './members.ts';
import { type LayerLoad, ShardLost } from './shard.ts';

/** A placement that the shards have been told of. */
export interface Plan {
  readonly epoch: number;
  /** Layers are counted over those that have experts. */
  readonly placement: Placement;
  /** Calls under way that name it. */
  calls: number;
}

const emptyPlan: Plan = { epoch: 0, placement: { holders: [] }, calls: 0 };

/**
 * The placement that steps use, and the way from one to the next: load what is new, check it, tell every shard, use it,
 * free what is not needed any more. One change at a time. Shards accept the two newest placements, so a third is
 * published only when no call names the first.
 */
export class Plans {
  readonly #members: Members;
  readonly #store: ExpertStore;
  readonly #layers: readonly number[];
  readonly #hashes = new Map<number, Promise<Uint8Array>>();
  #current: Plan = emptyPlan;
  #former: Plan = emptyPlan;
  #ready: Plan | null = null;
  #changing: Promise<unknown> = Promise.resolve();
  #busy = 0;
  /** Stops the change that nobody waits for, when one comes that steps wait for. */
  #hurry = new AbortController();
  #quiet: PromiseWithResolvers<void> | null = null;

  /** @param layers the numbers of the layers that have experts, ascending */
  constructor(members: Members, store: ExpertStore, layers: readonly number[]) {
    this.#members = members;
    this.#store = store;
    this.#layers = layers;
  }

  get current(): Plan {
    return this.#current;
  }

  get changing(): boolean {
    return this.#busy > 0;
  }

  /** Names the current plan until the call is over. */
  async during<T>(plan: Plan, call: () => Promise<T>): Promise<T> {
    plan.calls += 1;
    try {
      return await call();
    } finally {
      plan.calls -= 1;
      if (this.#former.calls === 0) this.#quiet?.resolve();
    }
  }

  /** At the border of a step: uses the placement that has been made ready, if there is one. */
  adopt(): void {
    if (this.#ready === null) return;
    this.#former = this.#current;
    this.#current = this.#ready;
    this.#ready = null;
    this.#free().catch((error: unknown) => {
      // A shard that is lost meanwhile has freed everything.
      if (!(error instanceof ShardLost) && !this.#members.signal.aborted) throw error;
    });
  }

  /**
   * Makes a placement ready, for {@link adopt} or at once.
   * @param choose from the shards that there are when its turn has come; null when there is nothing to change
   * @throws ShardLost, ExpertsDiffer, TooFewSlots, Aborted (by a change that is needed now); then nothing has changed
   */
  async change(choose: (staying: readonly Member[]) => Placement | null, when: 'now' | 'at the border'): Promise<void> {
    if (when === 'now') {
      this.#hurry.abort();
      this.#hurry = new AbortController();
    }
    const signal = when === 'now' ? this.#members.signal : AbortSignal.any([this.#members.signal, this.#hurry.signal]);
    await this.#inTurn(async () => {
      // What was ready is used first: what is left of it must be told apart from what comes now.
      this.adopt();
      await this.#formerIsQuiet();
      const { staying } = this.#members;
      const placement = choose(staying);
      if (placement === null) return;
      await this.#loadAll(staying, placement, signal);
      const plan = { epoch: this.#current.epoch + 1, placement, calls: 0 };
      await Promise.all(staying.map((member) => this.#publish(member, plan.epoch)));
      this.#ready = plan;
      if (when === 'now') this.adopt();
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    this.#busy += 1;
    const turn = this.#changing.then(work);
    this.#changing = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      this.#busy -= 1;
    }
  }

  async #formerIsQuiet(): Promise<void> {
    while (this.#former.calls > 0) {
      this.#quiet = Promise.withResolvers();
      await this.#quiet.promise;
    }
  }

  /** The first fault ends all of it; what was loaded is freed, because the next change needs the room. */
  async #loadAll(staying: readonly Member[], placement: Placement, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const loads = staying.map((member) =>
      this.#load(member, placement, either).catch((error: unknown) => stop.abort(error)),
    );
    await Promise.all(loads);
    if (!stop.signal.aborted) return;
    // A shard that is lost meanwhile has freed everything; why the change failed says more.
    await this.#freeIdle().catch(() => undefined);
    throw stop.signal.reason;
  }

  async #load(member: Member, placement: Placement, signal: AbortSignal): Promise<void> {
    const wanted = this.#heldBy(placement, member).flatMap(({ layer, experts }) => {
      const missing = experts.filter((expert) => !member.resident.has(this.#key(layer, expert)));
      return missing.length > 0 ? [{ layer, experts: missing }] : [];
    });
    const loads: LayerLoad[] = [];
    for (const { layer, experts } of wanted) {
      const sha256: Uint8Array[] = [];
      // One after another: an expert has megabytes, and a model thousands of experts.
      for (const expert of experts) {
        signal.throwIfAborted();
        sha256.push(await this.#hash(layer, expert));
      }
      loads.push({ layer, experts, sha256 });
    }
    await this.#told(member, async () => {
      // What a shard has from an earlier life of its coordinator would never be freed.
      if (member.resident.size === 0) await member.shard.unload(this.#allBut(wanted), signal);
      for (const key of this.#keys(wanted)) member.doubtful.add(key);
      await member.shard.load(loads, signal);
    });
    for (const key of this.#keys(wanted)) {
      member.doubtful.delete(key);
      member.resident.add(key);
    }
  }

  /** A shard that is lost now serves nobody; the placement holds for the others. */
  async #publish(member: Member, epoch: number): Promise<void> {
    try {
      await this.#told(member, () => member.shard.publish(epoch, this.#members.signal));
      member.epochs = [...member.epochs, epoch].slice(-2);
    } catch (error) {
      if (!(error instanceof ShardLost)) throw error;
    }
  }

  /** Once nobody names the former placement: frees what the current one does not need, and leaves those who drain. */
  async #free(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#formerIsQuiet();
      await this.#freeIdle();
    });
  }

  async #freeIdle(): Promise<void> {
    for (const member of this.#members.all.filter(({ open }) => open)) {
      const needed = new Set(this.#keys(this.#heldBy(this.#current.placement, member)));
      if (member.shard.draining && needed.size === 0) {
        await this.#members.dismiss(member);
        continue;
      }
      const idle = [...member.resident, ...member.doubtful].filter((key) => !needed.has(key));
      if (idle.length === 0) continue;
      await this.#told(member, () => member.shard.unload(this.#byLayer(idle), this.#members.signal));
      for (const key of idle) {
        member.resident.delete(key);
        member.doubtful.delete(key);
      }
    }
  }

  async #told(member: Member, command: () => Promise<void>): Promise<void> {
    try {
      await command();
    } catch (error) {
      if (error instanceof ShardLost) this.#members.lose(member, error);
      throw error;
    }
  }

  #heldBy(placement: Placement, { number }: Member): LayerExperts[] {
    return heldBy(placement, number).map(({ layer, experts }) => ({ layer: this.#layers[layer] ?? -1, experts }));
  }

  #keys(layers: readonly LayerExperts[]): number[] {
    return layers.flatMap(({ layer, experts }) => experts.map((expert) => this.#key(layer, expert)));
  }

  #byLayer(keys: readonly number[]): LayerExperts[] {
    const { experts } = this.#store.config;
    return this.#layers.flatMap((layer) => {
      const own = keys.filter((key) => Math.floor(key / experts) === layer).map((key) => key % experts);
      return own.length > 0 ? [{ layer, experts: own.sort((a, b) => a - b) }] : [];
    });
  }

  #allBut(wanted: readonly LayerExperts[]): LayerExperts[] {
    const keys = new Set(this.#keys(wanted));
    const all = Array.from({ length: this.#store.config.experts }, (_, expert) => expert);
    return this.#layers.flatMap((layer) => {
      const experts = all.filter((expert) => !keys.has(this.#key(layer, expert)));
      return experts.length > 0 ? [{ layer, experts }] : [];
    });
  }

  #key(layer: number, expert: number): number {
    return layer * this.#store.config.experts + expert;
  }

  /** Each expert's weights are read and hashed once, when it is first placed. */
  #hash(layer: number, expert: number): Promise<Uint8Array> {
    const key = this.#key(layer, expert);
    const known = this.#hashes.get(key) ?? this.#store.expertSha256(layer, expert);
    this.#hashes.set(key, known);
    known.catch(() => this.#hashes.delete(key));
    return known;
  }
}
