/** The loop that generates: requests join and leave a batch between its steps. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Aborted, DeadlineExceeded } from '#errors';
import { Admission } from './admission.ts';
import { ConstraintTooLarge, NothingCanFollow } from './constraint/faults.ts';
import type { Progress, Speech } from './generation.ts';
import { Draining, NoRoom, PromptTooLong, SessionsFull } from './generation-faults.ts';
import { type GenerationRequest, Job } from './job.ts';
import type { Model } from './model.ts';
import type { GenerationEvent } from './outbox.ts';
import { PageCache } from './page-cache.ts';
import { type Part, Scheduler } from './scheduler.ts';
import { SharedTime } from './shared-time.ts';

/** What one group can hold and do at once. */
export interface GroupLimits {
  /** Tokens of all sequences together. */
  readonly kvTokens: number;
  /** Most tokens that one step computes, prompts included; at least `running`. */
  readonly stepTokens: number;
  /** Most generations in the batch. */
  readonly running: number;
  /** Most generations that wait for a place. */
  readonly waiting: number;
  /** What one that found too many waiting is told to wait. */
  readonly retryAfterMs: number;
  /** What is reserved for a session that asks nothing for so long is given to others. Default 900,000. */
  readonly sessionIdleMs?: number;
  /** Of the tokens that a step computes, by tenant; 1 for those that are not named. */
  readonly weights: ReadonlyMap<string, number>;
}

/** The load at one instant. */
export interface Load {
  readonly running: number;
  readonly waiting: number;
  /** In whole pages; what is kept to be found again gives way to whoever needs room. */
  readonly kvUsedTokens: number;
  readonly residentSessions: number;
  /** For the sessions that were admitted; with it, what generations of no session in the batch may come to need. */
  readonly reservedTokens: number;
  /** Prompt tokens not yet computed, of those that wait too. */
  readonly prefillBacklogTokens: number;
  /** How often a generation gave up its pages for others and was computed anew, so far. */
  readonly preemptions: number;
  /** Of all prompts that got a place, so far. */
  readonly promptTokens: number;
  /** Of these, what was kept from before. */
  readonly cachedTokens: number;
  /** How long anything was in the batch, so far. */
  readonly busyMs: number;
}

const usualSessionIdleMs = 900_000;

/**
 * Generates for many requests at once with one model. The text of a request depends on its prompt, settings and seed
 * alone, whoever shares its steps, as far as the model's logits do.
 */
export class Generator {
  readonly #model: Pick<Model, 'step'>;
  readonly #speech: Speech;
  readonly #limits: GroupLimits;
  readonly #now: () => number;
  readonly #cache: PageCache;
  readonly #scheduler: Scheduler<Job>;
  readonly #admission: Admission;
  readonly #time: SharedTime;
  #loop: Promise<void> | null = null;
  #draining = false;
  #promptTokens = 0;
  #cachedTokens = 0;

  /** @param now milliseconds, never running backwards */
  constructor(model: Pick<Model, 'step'>, speech: Speech, limits: GroupLimits, now: () => number) {
    this.#model = model;
    this.#cache = new PageCache(limits.kvTokens);
    this.#speech = { ...speech, contextTokens: Math.min(speech.contextTokens, this.#cache.totalTokens) };
    this.#limits = limits;
    this.#now = now;
    this.#time = new SharedTime(now);
    this.#admission = new Admission({
      totalTokens: this.#cache.totalTokens,
      idleMs: limits.sessionIdleMs ?? usualSessionIdleMs,
    });
    const weightOf = (tenant: string): number => limits.weights.get(tenant) ?? 1;
    this.#scheduler = new Scheduler({ ...limits, cache: this.#cache, weightOf });
  }

  /** Prompt and reply together: the model's context, or what the group can hold. */
  get contextTokens(): number {
    return this.#speech.contextTokens;
  }

  /**
   * The events of one reply. A step that fails ends all its generations with its error.
   * @throws PromptTooLong, NoRoom, or Draining and SessionsFull for a session that is not known; while iterating also Aborted and
   * DeadlineExceeded, when the end came before a place was found: a reply that began ends with `finished`
   */
  generate(request: GenerationRequest): AsyncIterable<GenerationEvent> {
    const { ids } = request.prompt;
    const { waiting, retryAfterMs } = this.#limits;
    if (ids.length >= this.contextTokens) throw new PromptTooLong(ids.length, this.contextTokens);
    if (this.#draining && !this.#knows(request.session)) throw new Draining(retryAfterMs);
    const before = this.#scheduler.waiting.filter((job) => job.cachedTokens === null).length;
    if (before >= waiting) throw new NoRoom(before, retryAfterMs);
    const job = new Job(request, this.#speech, this.#now());
    this.#admit(request);
    if (job.begin.over !== null) {
      // What was generated elsewhere is the whole reply.
      this.#accept(job, 0);
      return job.outbox;
    }
    this.#scheduler.add(job);
    this.#loop ??= this.#work();
    return job.outbox;
  }

  get load(): Load {
    const { running, waiting, backlogTokens, preemptions } = this.#scheduler;
    return {
      running: running.length,
      waiting: waiting.length,
      kvUsedTokens: this.#cache.usedTokens,
      residentSessions: this.#residentSessions(),
      reservedTokens: this.#admission.reservedTokens(this.#now()) + this.#unreservedTokens(),
      prefillBacklogTokens: backlogTokens - this.#keptTokens(),
      preemptions,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      busyMs: this.#time.busyMs,
    };
  }

  /** With true, new sessions are refused; those known go on. */
  set draining(draining: boolean) {
    this.#draining = draining;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Gives back what only this session would find again. @returns tokens */
  release(session: string): number {
    this.#admission.release(session, this.#now());
    return this.#cache.release(session);
  }

  /** @throws SessionsFull */
  #admit({ session, sessionTokens = null, prompt }: GenerationRequest): void {
    if (session === null || sessionTokens === null) return;
    const wanted = Math.min(Math.max(sessionTokens, prompt.ids.length), this.contextTokens);
    const waitMs = this.#admission.admit(session, wanted, this.#now(), this.#cache.knows(session));
    if (waitMs !== null) throw new SessionsFull(this.#admission.reservedTokens(this.#now()), wanted, waitMs);
  }

  #knows(session: string | null): boolean {
    if (session === null) return false;
    return this.#cache.knows(session) || this.#jobs().some(({ request }) => request.session === session);
  }

  #jobs(): Job[] {
    return [...this.#scheduler.running, ...this.#scheduler.waiting];
  }

  /** A generation without a session counts as one while it runs. */
  #residentSessions(): number {
    const running = this.#scheduler.running.map(({ request }) => request.session);
    const named = new Set([...this.#cache.sessions, ...running.filter((session) => session !== null)]);
    return named.size + running.filter((session) => session === null).length;
  }

  /** What those may come to need that are in the batch, and that nothing was reserved for. */
  #unreservedTokens(): number {
    const others = this.#scheduler.running.filter(({ isReserved }) => !isReserved);
    return others.reduce((sum, job) => sum + this.#mostTokens(job), 0);
  }

  /** Of the prompts that wait, what the turns before have left, in all likelihood: it need not be computed. */
  #keptTokens(): number {
    const kept = ({ request: { session }, tokens }: Job): number => {
      if (session === null || !this.#cache.knows(session)) return 0;
      return Math.min(this.#admission.tokensOf(session), tokens.length);
    };
    return this.#scheduler.waiting.reduce((sum, job) => sum + kept(job), 0);
  }

  #mostTokens({ request }: Job): number {
    return Math.min(request.prompt.ids.length + request.sampling.maxTokens, this.contextTokens);
  }

  /** Steps until nothing is left to do. Other work of the process goes on between two steps. */
  async #work(): Promise<void> {
    for (;;) {
      await nextTurn();
      this.#dismiss();
      const { parts, admitted } = this.#scheduler.next();
      for (const { task, cachedTokens } of admitted) this.#accept(task, cachedTokens);
      if (parts.length === 0) break;
      await this.#step(parts);
    }
    this.#loop = null;
  }

  /** Ends what nobody wants any more. */
  #dismiss(): void {
    for (const job of this.#jobs()) {
      if (job.end === null) continue;
      if (job.cachedTokens !== null) this.#tell(job, job.generation.break(job.end));
      else this.#fail(job, missedOf(job.end, job.request));
    }
  }

  /** @param cachedTokens of prompt and of what was generated already */
  #accept(job: Job, cachedTokens: number): void {
    job.cachedTokens = Math.min(cachedTokens, job.generation.promptTokens);
    this.#promptTokens += job.generation.promptTokens;
    this.#cachedTokens += job.cachedTokens;
    job.share = this.#time.begin();
    job.outbox.put({ kind: 'accepted', queueMs: Math.round(this.#now() - job.since), cachedTokens: job.cachedTokens });
    this.#tell(job, job.begin);
  }

  async #step(parts: readonly Part<Job>[]): Promise<void> {
    const batch = parts.map(({ task, pages, position, count }) => {
      return { pages, position, tokens: task.tokens.slice(position, position + count), of: task.request };
    });
    const unwanted = whenAllEnd(parts.map(({ task }) => task));
    try {
      const logits = await this.#model.step(batch, unwanted.signal);
      this.#scheduler.computed(parts);
      for (const [i, part] of parts.entries()) this.#advance(part, logits[i]);
    } catch (error) {
      for (const { task } of parts) this.#giveUp(task, unwanted.signal.aborted ? null : error);
    } finally {
      unwanted.end();
    }
  }

  /** @throws RangeError for a row that holds no numbers: then no row of the step can be trusted */
  #advance({ task, position, count }: Part<Job>, logits: Float32Array | undefined): void {
    if (position + count < task.tokens.length || task.end !== null) return;
    if (logits === undefined) throw new Error('a step gave fewer rows of logits than it was asked for');
    try {
      this.#tell(task, task.generation.take(logits));
    } catch (error) {
      if (!(error instanceof ConstraintTooLarge || error instanceof NothingCanFollow)) throw error;
      this.#fail(task, error);
    }
  }

  #tell(job: Job, { deltas, over }: Progress): void {
    const { request, outbox, generation, cachedTokens } = job;
    for (const delta of deltas) outbox.put(delta);
    if (over === null) return;
    this.#scheduler.remove(job, request.session);
    this.#leave(job, over.reason === 'aborted' && generation.completionTokens === 0 ? null : job.tokens.length);
    const { promptTokens, completionTokens } = generation;
    const counts = { promptTokens, cachedTokens: cachedTokens ?? 0, completionTokens };
    outbox.put({ kind: 'finished', ...over, ...counts, shareMs: job.share() });
  }

  /** Ends a generation whose step failed. @param error null where nobody wanted it any more */
  #giveUp(job: Job, error: unknown): void {
    if (!this.#scheduler.running.includes(job)) return;
    if (error === null) this.#tell(job, job.generation.break(job.end ?? 'aborted'));
    else this.#fail(job, error);
  }

  #fail(job: Job, error: unknown): void {
    this.#scheduler.remove(job, null);
    this.#leave(job, null);
    job.share();
    job.outbox.fail(error);
  }

  #leave({ request: { session }, isReserved }: Job, tokens: number | null): void {
    if (session !== null && isReserved) this.#admission.ended(session, tokens, this.#now());
  }
}

function missedOf(end: 'aborted' | 'deadline', { deadline }: GenerationRequest): Error {
  if (end === 'aborted') return new Aborted('the generation was stopped before its turn came');
  return new DeadlineExceeded('a place in the batch', Number(deadline.reason));
}

/** A signal that fires when none of these generations is wanted any more; `end` lets go of their own. */
function whenAllEnd(members: readonly Job[]): { readonly signal: AbortSignal; end(): void } {
  const unwanted = new AbortController();
  const ended = new AbortController();
  const look = (): void => {
    if (members.every(({ end }) => end !== null)) unwanted.abort();
  };
  for (const { request } of members) {
    request.abort.addEventListener('abort', look, { signal: ended.signal });
    request.deadline.addEventListener('abort', look, { signal: ended.signal });
  }
  return { signal: unwanted.signal, end: () => ended.abort() };
}
