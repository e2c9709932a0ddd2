/** Which tokens of which texts the next step computes. No clock, no I/O: the loop around it performs what it decides. */
import { type Claim, FairShares } from './fair-shares.ts';
import { type HeldPages, type PageCache, pagesOf } from './page-cache.ts';

/** A text to be generated. */
export interface Task extends Claim {
  /** Of prompt and reply; grows. */
  readonly tokens: readonly number[];
  /** Texts of different roots share no pages. */
  readonly root: string;
  /** True once its reply has begun. */
  readonly begun: boolean;
}

/** A part of a step: the model has the first `position` tokens of the task, and computes the next `count`. */
export interface Part<T> {
  readonly task: T;
  readonly pages: readonly number[];
  readonly position: number;
  readonly count: number;
}

/** What was decided for one step. */
export interface Step<T> {
  readonly parts: readonly Part<T>[];
  /** Those that have their first place now, and how many tokens of each were found. */
  readonly admitted: readonly { readonly task: T; readonly cachedTokens: number }[];
}

export interface SchedulerOptions {
  readonly cache: PageCache;
  /** Most tokens of one step; at least `running`, so that no reply sits out. */
  readonly stepTokens: number;
  /** Most tasks that have a place. */
  readonly running: number;
  /** Of a tenant's share, above 0. */
  readonly weightOf: (tenant: string) => number;
}

interface Placed<T> {
  readonly task: T;
  /** By coming, for who gives way. */
  readonly number: number;
  readonly held: HeldPages;
  computed: number;
}

/** One that waits: `first` until it has had a place, and then because others needed its pages. */
interface Queued<T> extends Claim {
  readonly task: T;
  readonly number: number;
  readonly first: boolean;
}

/**
 * Continuous batching. Replies under way go on by a token each; what is left of a step's tokens goes to prompts, in pieces
 * where it must. When no page is left for a reply, the newest task gives its own back, waits in front of all others, and is
 * computed anew: that changes when its tokens come, never which.
 */
export class Scheduler<T extends Task> {
  readonly #options: SchedulerOptions;
  readonly #shares: FairShares;
  #queued: Queued<T>[] = [];
  /** By number. */
  #placed: Placed<T>[] = [];
  #lastNumber = 0;
  #preemptions = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#shares = new FairShares(options.weightOf);
  }

  get waiting(): readonly T[] {
    return this.#queued.map(({ task }) => task);
  }

  get running(): readonly T[] {
    return this.#placed.map(({ task }) => task);
  }

  /** So far. */
  get preemptions(): number {
    return this.#preemptions;
  }

  /** Prompt tokens, and those to be computed anew, that no step has had yet. */
  get backlogTokens(): number {
    const waiting = this.#queued.reduce((sum, { task }) => sum + task.tokens.length, 0);
    return waiting + this.#prompts().reduce((sum, one) => sum + pendingOf(one), 0);
  }

  add(task: T): void {
    this.#queued.push(queuedOf(task, ++this.#lastNumber, true));
  }

  /** At any time but while a step is under way that it is in. @param session what it leaves is kept for; null: nobody's */
  remove(task: T, session: string | null): void {
    this.#queued = this.#queued.filter((one) => one.task !== task);
    const placed = this.#placed.find((one) => one.task === task);
    if (placed === undefined) return;
    this.#placed = this.#placed.filter((one) => one !== placed);
    this.#options.cache.close(placed.held, session);
  }

  /** The next step; empty when nothing is left to do. Cost O(tasks² + pages given). */
  next(): Step<T> {
    this.#shares.present(
      new Set([...this.#queued, ...this.#placed.map(({ task }) => task)].map(({ tenant }) => tenant)),
    );
    const replies = this.#replies();
    const admitted = this.#admit();
    return { parts: [...replies, ...this.#pieces(replies)], admitted };
  }

  /** Told behind a step that went well. */
  computed(parts: readonly Part<T>[]): void {
    for (const { task, count } of parts) {
      const placed = this.#placed.find((one) => one.task === task);
      if (placed === undefined) continue;
      placed.computed += count;
      this.#options.cache.computed(placed.held, task.tokens, placed.computed);
    }
  }

  /** The oldest goes first, so that whoever gives way for a page has not been given its part yet. */
  #replies(): Part<T>[] {
    const parts: Part<T>[] = [];
    for (const one of [...this.#placed]) {
      if (!isReply(one) || !this.#makeRoom(one)) continue;
      this.#shares.charge(one.task.tenant, 1);
      parts.push(partOf(one, 1));
    }
    return parts;
  }

  /** @returns false when it gave way itself, or has before */
  #makeRoom(one: Placed<T>): boolean {
    while (this.#placed.includes(one)) {
      if (this.#options.cache.grow(one.held, one.task.tokens.length)) return true;
      const newest = this.#placed.at(-1) ?? one;
      this.#preempt(newest);
    }
    return false;
  }

  #preempt({ task, number, held }: Placed<T>): void {
    this.#preemptions++;
    this.#placed = this.#placed.filter((one) => one.task !== task);
    this.#options.cache.close(held, null);
    this.#queued.push(queuedOf(task, number, false));
  }

  /** Whoever is first and does not fit is not overtaken, or long prompts would wait for ever. */
  #admit(): Step<T>['admitted'] {
    const admitted: { task: T; cachedTokens: number }[] = [];
    while (this.#placed.length < this.#options.running) {
      const next = this.#firstInLine();
      if (next === undefined) break;
      const { task, number, first } = next;
      // A page for each that has a place: they are about to need one.
      const held = this.#options.cache.open(task.root, task.tokens, this.#placed.length);
      if (held === null) break;
      this.#queued = this.#queued.filter((one) => one !== next);
      this.#placed.push({ task, number, held, computed: held.cachedTokens });
      this.#placed.sort((a, b) => a.number - b.number);
      if (first) admitted.push({ task, cachedTokens: held.cachedTokens });
    }
    return admitted;
  }

  #firstInLine(): Queued<T> | undefined {
    const again = this.#queued.filter(({ first }) => !first).sort((a, b) => a.number - b.number);
    const owed = new Map<string, number>();
    for (const one of this.#prompts()) {
      const { tenant } = one.task;
      owed.set(tenant, (owed.get(tenant) ?? 0) + pendingOf(one));
    }
    return again[0] ?? this.#shares.first(this.#queued, (tenant) => owed.get(tenant) ?? 0);
  }

  /** Also of a reply that has its place again only now, with all but its last token found. */
  #pieces(replies: readonly Part<T>[]): Part<T>[] {
    const parts: Part<T>[] = [];
    let left = this.#options.stepTokens - replies.length;
    const others = this.#placed.filter(({ task }) => !replies.some((part) => part.task === task));
    let prompts = others.map((placed) => ({ placed, ...claimOf(placed.task) }));
    while (left > 0) {
      const next = this.#shares.first(prompts);
      if (next === undefined) break;
      const count = Math.min(left, pendingOf(next.placed));
      left -= count;
      this.#shares.charge(next.tenant, count);
      parts.push(partOf(next.placed, count));
      prompts = prompts.filter((one) => one !== next);
    }
    return parts;
  }

  #prompts(): Placed<T>[] {
    return this.#placed.filter((one) => !isReply(one));
  }
}

function claimOf({ tenant, priority, since }: Claim): Claim {
  return { tenant, priority, since };
}

function queuedOf<T extends Task>(task: T, number: number, first: boolean): Queued<T> {
  return { ...claimOf(task), task, number, first };
}

function pendingOf({ task, computed }: Placed<Task>): number {
  return task.tokens.length - computed;
}

/** What is pending is the token just chosen. One that was preempted is a prompt until all of it is computed anew. */
function isReply(one: Placed<Task>): boolean {
  return one.task.begun && pendingOf(one) === 1;
}

function partOf<T extends Task>({ task, held, computed }: Placed<T>, count: number): Part<T> {
  return { task, pages: pagesOf(held), position: computed, count };
}
