import { Aborted, ArgosyError, messageOf } from '#errors';
import {
  assign,
  type CombineMode,
  type ExpertPairs,
  gatherRows,
  type Part,
  type Slice,
  sliceOf,
  type WireFormat,
} from '#moe';
import { AnswerTimes } from './answer-times.ts';
import type { Members } from './members.ts';
import type { Plan, Plans } from './plans.ts';
import { ShardLost } from './shard.ts';
import { askShard } from './shard-spans.ts';
import { SlowShards } from './slow-shards.ts';

/** Some tokens of one layer and where they are to go. */
export interface LayerWork {
  readonly layer: number;
  /** Of the layer among those that have experts. */
  readonly index: number;
  /** f32 [tokens, hidden] */
  readonly x: Float32Array;
  readonly hidden: number;
  readonly pairs: ExpertPairs;
  /** Whether what is asked of the shards is told to whoever traces the step. */
  readonly isTraced: boolean;
}

export interface LayerRunSettings {
  readonly mode: CombineMode;
  readonly format: WireFormat;
  /** Longest time for all of it. */
  readonly patienceMs: number;
}

/** Experts are missing and did not come back in time. The same request may succeed later. */
class ExpertsUnavailable extends ArgosyError {
  override readonly name = 'ExpertsUnavailable';
  readonly code = 'unavailable';
  readonly retryable = true;
  /** When to try again. */
  readonly retryAfterMs: number;
  constructor(layer: number, waitedMs: number, faults: readonly unknown[]) {
    const why = faults.length === 0 ? 'a shard that lives does not answer.' : faults.map(messageOf).join(' ');
    super(`The experts of layer ${layer} gave no answer within ${waitedMs} ms: ${why} Try again later.`, {
      cause: faults[0],
    });
    this.retryAfterMs = Math.min(waitedMs, 5_000);
  }
}

/** Tokens that one shard's copy of an expert has answered. */
export interface AnsweredTokens {
  readonly shard: string;
  readonly layer: number;
  readonly expert: number;
  readonly tokens: number;
}

/** Why what is still asked is given up. Said, because an error that is made for it takes longer than the combine. */
const answered = 'answered';
/** More experts than a layer has: ids take 16 bits. */
const layerKeys = 2 ** 16;

/** Work under way. */
interface Running extends LayerWork {
  /** Ends all of it. */
  readonly signal: AbortSignal;
  /** Calls and waits that are not over. */
  open: number;
}

interface Answer extends Part {
  readonly shard: number;
}

/** Which pairs a shard is asked for, and by which plan. */
interface Asked {
  readonly shard: number;
  readonly pairs: Uint32Array;
  readonly plan: Plan;
}

/** What keeps a layer from being answered, and how it is mended. */
export interface Mending {
  /** Done when every expert is held by a shard that lives. */
  recovered(): Promise<void>;
  /** What went wrong last; empty where nothing did. */
  readonly faults: readonly unknown[];
}

/** Has the pairs of a layer answered, by other shards where one is lost on the way. */
export class LayerRun {
  readonly #members: Members;
  readonly #plans: Plans;
  readonly #settings: LayerRunSettings;
  readonly #mending: Mending;
  readonly #outstanding = new Map<number, number>();
  /** Tokens by shard, then by `layer * 2^16 + expert`. */
  readonly #answered = new Map<number, Map<number, number>>();
  readonly #times = new AnswerTimes();
  readonly #slow = new SlowShards();

  constructor(members: Members, plans: Plans, settings: LayerRunSettings, mending: Mending) {
    this.#members = members;
    this.#plans = plans;
    this.#settings = settings;
    this.#mending = mending;
  }

  get answered(): AnsweredTokens[] {
    return [...this.#answered].flatMap(([shard, experts]) => {
      const { name = '' } = this.#members.all[shard]?.shard ?? {};
      return [...experts].map(([key, tokens]) => {
        return { shard: name, layer: Math.floor(key / layerKeys), expert: key % layerKeys, tokens };
      });
    });
  }

  /** By the number of the shard, each token once for every expert. */
  get answeredTokens(): ReadonlyMap<number, number> {
    const sum = (experts: ReadonlyMap<number, number>) => [...experts.values()].reduce((all, one) => all + one, 0);
    return new Map([...this.#answered].map(([shard, experts]) => [shard, sum(experts)]));
  }

  /**
   * @returns every pair once, by shard
   * @throws ExpertsUnavailable when patience is over, Aborted
   */
  async run(work: LayerWork, signal: AbortSignal): Promise<readonly Part[]> {
    const { patienceMs } = this.#settings;
    if (signal.aborted) throw stopped(work, signal);
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(stopped(work, signal));
    const late = setTimeout(() => {
      stop.abort(new ExpertsUnavailable(work.layer, patienceMs, this.#mending.faults));
    }, patienceMs);
    signal.addEventListener('abort', onAbort, { once: true });
    const running: Running = { ...work, signal: stop.signal, open: 0 };
    try {
      const answers = await this.#answer(running, Uint32Array.from(work.pairs.tokens.keys()));
      return answers.sort((a, b) => a.shard - b.shard || (a.slice.pairs[0] ?? 0) - (b.slice.pairs[0] ?? 0));
    } catch (error) {
      if (stop.signal.aborted) throw stop.signal.reason;
      throw error;
    } finally {
      // Whatever is still asked has nobody who waits for it. Mostly nothing is, and an event costs more than a look.
      if (running.open > 0) stop.abort(answered);
      clearTimeout(late);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * @param chosen which pairs, ascending
   * @param without a shard that is asked only where no other holds the expert
   */
  async #answer(work: Running, chosen: Uint32Array, without = -1): Promise<Answer[]> {
    for (;;) {
      const plan = this.#plans.current;
      const { byShard, orphans } = assign(work.pairs, chosen, {
        layer: work.layer,
        holdersOf: (expert) => this.#briskOf(this.#holdersOf(plan, work.index, expert), without),
        outstanding: (shard) => this.#outstanding.get(shard) ?? 0,
      });
      if (orphans.length === 0) {
        const asked = [...byShard].map(([shard, pairs]) => this.#ask(work, { shard, pairs, plan }));
        return (await Promise.all(asked)).flat();
      }
      work.open += 1;
      await untilAborted(this.#mending.recovered(), work.signal);
      work.open -= 1;
    }
  }

  #holdersOf({ placement, epoch }: Plan, index: number, expert: number): number[] {
    const holders = placement.holders[index]?.[expert] ?? [];
    return holders.filter((shard) => this.#members.serves(shard, epoch));
  }

  /** Those that are asked first: without one that has been asked already, nor any that was late of late. */
  #briskOf(holders: number[], without: number): number[] {
    if (holders.length < 2) return holders;
    const nowMs = performance.now();
    const others = holders.filter((shard) => shard !== without);
    const brisk = others.filter((shard) => !this.#slow.rests(shard, nowMs));
    return brisk.length > 0 ? brisk : others;
  }

  /** Calls are pure: what a lost shard was asked is asked again elsewhere, what a slow one was asked is asked twice. */
  async #ask(work: Running, asked: Asked): Promise<Answer[]> {
    const own = this.#forward(work, asked);
    if (!(await this.#isLate(own, work, asked))) {
      const inTime = await own;
      if (inTime !== null) this.#slow.inTime(asked.shard);
      return inTime ?? (await this.#answer(work, asked.pairs));
    }
    this.#slow.late(asked.shard, performance.now());
    const elsewhere = this.#answer(work, asked.pairs, asked.shard);
    // A shard that is lost after all has no say.
    return await Promise.race([own.then(async (answer) => answer ?? (await elsewhere)), elsewhere]);
  }

  /** @returns null when the shard is lost */
  async #forward(work: Running, { shard, pairs, plan }: Asked): Promise<Answer[] | null> {
    const member = this.#members.all[shard];
    if (member === undefined) throw new Error(`a placement names shard ${shard}, which is not in the group`);
    const slice = sliceOf(work.pairs, pairs);
    const { mode, format } = this.#settings;
    const x = gatherRows(work.x, slice.rows, work.hidden);
    const call = { planEpoch: plan.epoch, layer: work.layer, slice, x, mode, format };
    const startedAt = performance.now();
    work.open += 1;
    this.#outstanding.set(shard, (this.#outstanding.get(shard) ?? 0) + pairs.length);
    try {
      const y = await this.#plans.during(plan, () => askShard(member.shard, call, work));
      this.#times.note(pairs.length, performance.now() - startedAt);
      this.#count(shard, work.layer, slice);
      return [{ shard, slice, y }];
    } catch (error) {
      if (!(error instanceof ShardLost)) throw error;
      this.#members.lose(member, error);
      return null;
    } finally {
      work.open -= 1;
      this.#outstanding.set(shard, (this.#outstanding.get(shard) ?? 0) - pairs.length);
    }
  }

  /** False once there is an answer, or when nobody else could give it. */
  async #isLate(own: Promise<unknown>, work: LayerWork, { shard, pairs, plan }: Asked): Promise<boolean> {
    const lateMs = this.#times.lateMs(pairs.length);
    if (lateMs === null || !this.#hasReplicas(work, shard, plan)) return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, lateMs, true);
    });
    const settled = own.then(
      () => false,
      () => false,
    );
    const isLate = await Promise.race([settled, late]);
    clearTimeout(timer);
    return isLate;
  }

  /** True when some expert of the layer has another home than this shard. */
  #hasReplicas({ index }: LayerWork, shard: number, { placement }: Plan): boolean {
    return (placement.holders[index] ?? []).some((holders) => holders.length > 1 && holders.includes(shard));
  }

  #count(shard: number, layer: number, { experts, offsets }: Slice): void {
    const own = this.#answered.get(shard) ?? new Map<number, number>();
    this.#answered.set(shard, own);
    for (let group = 0; group < experts.length; group++) {
      const key = layer * layerKeys + (experts[group] ?? 0);
      const tokens = (offsets[group + 1] ?? 0) - (offsets[group] ?? 0);
      own.set(key, (own.get(key) ?? 0) + tokens);
    }
  }
}

function stopped({ layer }: LayerWork, signal: AbortSignal): Aborted {
  return new Aborted(`The experts of layer ${layer} were stopped`, { cause: signal.reason });
}

/** @throws the signal's reason */
async function untilAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([done, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
