/** The loop that generates: requests join and leave a batch between its steps. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Aborted, DeadlineExceeded } from '#errors';
import { ConstraintTooLarge, NothingCanFollow } from './constraint/faults.ts';
import type { Guide } from './constraint/guide.ts';
import { Generation, type Progress, type PromptTokens, type Speech } from './generation.ts';
import { Draining, NoRoom, PromptTooLong } from './generation-faults.ts';
import type { Model } from './model.ts';
import { type GenerationEvent, Outbox } from './outbox.ts';
import { PageCache } from './page-cache.ts';
import type { Sampling } from './sampling.ts';
import { type Part, Scheduler, type Task } from './scheduler.ts';

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
  /** Of the tokens that a step computes, by tenant; 1 for those that are not named. */
  readonly weights: ReadonlyMap<string, number>;
}

export interface GenerationRequest {
  /** Tenants share the group by weight, and nothing of what is kept. */
  readonly tenant: string;
  /** What this turn leaves is found by the next one with the same; null: it leaves nothing. */
  readonly session: string | null;
  readonly prompt: PromptTokens;
  readonly sampling: Sampling;
  /** Keeps the reply to a form, for this request alone; null where it may be anything. */
  readonly guide: Guide | null;
  /** Higher goes first within a tenant. */
  readonly priority: number;
  /** Fires when nobody wants the reply any more. */
  readonly abort: AbortSignal;
  /** Fires when its time is over; its reason is the limit in ms. */
  readonly deadline: AbortSignal;
}

/** The load at one instant. */
export interface Load {
  readonly running: number;
  readonly waiting: number;
  /** In whole pages; what is kept to be found again gives way to whoever needs room. */
  readonly kvUsedTokens: number;
  readonly residentSessions: number;
  /** What the generations in the batch may come to need; together more than there is, since few do. */
  readonly reservedTokens: number;
  /** Prompt tokens not yet computed, of those that wait too. */
  readonly prefillBacklogTokens: number;
  /** How often a generation gave up its pages for others and was computed anew, so far. */
  readonly preemptions: number;
}

/** A request with what it has come to. */
class Job implements Task {
  readonly request: GenerationRequest;
  readonly outbox = new Outbox();
  readonly generation: Generation;
  readonly root: string;
  readonly since: number;
  /** Null until it has had a place. */
  cachedTokens: number | null = null;

  constructor(request: GenerationRequest, speech: Speech, since: number) {
    this.request = request;
    this.generation = new Generation(request.prompt, request.sampling, speech, request.guide);
    this.root = JSON.stringify([speech.model, request.tenant]);
    this.since = since;
  }

  get tenant(): string {
    return this.request.tenant;
  }

  get priority(): number {
    return this.request.priority;
  }

  get tokens(): readonly number[] {
    return this.generation.tokens;
  }

  get begun(): boolean {
    return this.generation.completionTokens > 0;
  }

  get end(): 'aborted' | 'deadline' | null {
    const { abort, deadline } = this.request;
    if (abort.aborted) return 'aborted';
    return deadline.aborted ? 'deadline' : null;
  }
}

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
  #loop: Promise<void> | null = null;
  #draining = false;

  /** @param now milliseconds, never running backwards */
  constructor(model: Pick<Model, 'step'>, speech: Speech, limits: GroupLimits, now: () => number) {
    this.#model = model;
    this.#cache = new PageCache(limits.kvTokens);
    this.#speech = { ...speech, contextTokens: Math.min(speech.contextTokens, this.#cache.totalTokens) };
    this.#limits = limits;
    this.#now = now;
    const weightOf = (tenant: string): number => limits.weights.get(tenant) ?? 1;
    this.#scheduler = new Scheduler({ ...limits, cache: this.#cache, weightOf });
  }

  /** Prompt and reply together: the model's context, or what the group can hold. */
  get contextTokens(): number {
    return this.#speech.contextTokens;
  }

  /**
   * The events of one reply. A step that fails ends all its generations with its error.
   * @throws PromptTooLong, NoRoom, or Draining for a session that is not known; while iterating also Aborted and
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
      reservedTokens: running.reduce((sum, job) => sum + this.#mostTokens(job), 0),
      prefillBacklogTokens: backlogTokens,
      preemptions,
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
    return this.#cache.release(session);
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

  #accept(job: Job, cachedTokens: number): void {
    job.cachedTokens = cachedTokens;
    job.outbox.put({ kind: 'accepted', queueMs: Math.round(this.#now() - job.since), cachedTokens });
  }

  async #step(parts: readonly Part<Job>[]): Promise<void> {
    const batch = parts.map(({ task, pages, position, count }) => {
      return { pages, position, tokens: task.tokens.slice(position, position + count) };
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
    const { promptTokens, completionTokens } = generation;
    outbox.put({ kind: 'finished', ...over, promptTokens, cachedTokens: cachedTokens ?? 0, completionTokens });
  }

  /** Ends a generation whose step failed. @param error null where nobody wanted it any more */
  #giveUp(job: Job, error: unknown): void {
    if (!this.#scheduler.running.includes(job)) return;
    if (error === null) this.#tell(job, job.generation.break(job.end ?? 'aborted'));
    else this.#fail(job, error);
  }

  #fail(job: Job, error: unknown): void {
    this.#scheduler.remove(job, null);
    job.outbox.fail(error);
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
