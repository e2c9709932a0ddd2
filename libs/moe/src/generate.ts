/** The loop that generates: requests join and leave a batch between its steps. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Aborted, DeadlineExceeded } from '#errors';
import { Generation, type Progress, type PromptTokens, type Speech } from './generation.ts';
import { Draining, NoRoom, PromptTooLong } from './generation-faults.ts';
import type { Model, Sequence } from './model.ts';
import { type GenerationEvent, Outbox } from './outbox.ts';
import type { Sampling } from './sampling.ts';
import { inOrder, nextBatch, type Task } from './schedule.ts';
import { Sessions } from './sessions.ts';

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
}

export interface GenerationRequest {
  /** What this turn leaves is found by the next one with the same; null: it leaves nothing. */
  readonly session: string | null;
  readonly prompt: PromptTokens;
  readonly sampling: Sampling;
  /** Higher goes first. */
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
  readonly kvUsedTokens: number;
  readonly residentSessions: number;
  /** What the generations in the batch may come to need. */
  readonly reservedTokens: number;
  /** Prompt tokens not yet computed, of those that wait too. */
  readonly prefillBacklogTokens: number;
}

interface Waiting {
  readonly request: GenerationRequest;
  readonly outbox: Outbox;
  readonly since: number;
}

interface Running extends Waiting {
  readonly generation: Generation;
  readonly sequence: Sequence;
  readonly cachedTokens: number;
  readonly reservedTokens: number;
}

/**
 * Generates for many requests at once with one model. The text of a request depends on its prompt, settings and seed
 * alone, whoever shares its steps, as far as the model's logits do.
 */
export class Generator {
  readonly #model: Pick<Model, 'open' | 'step'>;
  readonly #speech: Speech;
  readonly #limits: GroupLimits;
  readonly #now: () => number;
  readonly #sessions = new Sessions();
  #waiting: Waiting[] = [];
  #running: Running[] = [];
  #loop: Promise<void> | null = null;
  #draining = false;

  /** @param now milliseconds, never running backwards */
  constructor(model: Pick<Model, 'open' | 'step'>, speech: Speech, limits: GroupLimits, now: () => number) {
    this.#model = model;
    this.#speech = { ...speech, contextTokens: Math.min(speech.contextTokens, limits.kvTokens) };
    this.#limits = limits;
    this.#now = now;
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
    if (this.#waiting.length >= waiting) throw new NoRoom(this.#waiting.length, retryAfterMs);
    const outbox = new Outbox();
    this.#waiting.push({ request, outbox, since: this.#now() });
    this.#loop ??= this.#work();
    return outbox;
  }

  get load(): Load {
    const running = this.#running.reduce((sum, { sequence }) => sum + sequence.length, 0);
    const prompts = this.#waiting.reduce((sum, { request }) => sum + request.prompt.ids.length, 0);
    const pending = this.#running.map(taskOf).reduce((sum, task) => sum + (task.decoding ? 0 : task.pendingTokens), 0);
    return {
      running: this.#running.length,
      waiting: this.#waiting.length,
      kvUsedTokens: running + this.#sessions.tokens,
      residentSessions: this.#sessions.count + this.#running.length,
      reservedTokens: this.#reserved,
      prefillBacklogTokens: prompts + pending,
    };
  }

  /** With true, new sessions are refused; those known go on. */
  set draining(draining: boolean) {
    this.#draining = draining;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Gives back what these sessions hold between two turns. @returns tokens */
  release(isOver: (session: string) => boolean): number {
    return this.#sessions.names.filter(isOver).reduce((sum, session) => sum + this.#sessions.release(session), 0);
  }

  #knows(session: string | null): boolean {
    if (session === null) return false;
    return this.#sessions.has(session) || this.#running.some(({ request }) => request.session === session);
  }

  get #reserved(): number {
    return this.#running.reduce((sum, { reservedTokens }) => sum + reservedTokens, 0);
  }

  /** Steps until nothing is left to do. Other work of the process goes on between two steps. */
  async #work(): Promise<void> {
    for (;;) {
      await nextTurn();
      this.#dismiss();
      this.#admit();
      if (this.#running.length === 0 && this.#waiting.length === 0) break;
      await this.#step();
    }
    this.#loop = null;
  }

  /** Ends what nobody wants any more. */
  #dismiss(): void {
    for (const one of this.#running.filter(({ request }) => endOf(request) !== null)) {
      this.#tell(one, one.generation.break(endOf(one.request) ?? 'aborted'));
    }
    for (const { request, outbox } of this.#waiting) {
      const end = endOf(request);
      if (end === 'aborted') outbox.fail(new Aborted('the generation was stopped before its turn came'));
      if (end === 'deadline')
        outbox.fail(new DeadlineExceeded('a place in the batch', Number(request.deadline.reason)));
    }
    this.#waiting = this.#waiting.filter(({ request }) => endOf(request) === null);
  }

  /** By priority, then by arrival; whoever does not fit is not overtaken, or long prompts would wait for ever. */
  #admit(): void {
    this.#waiting = inOrder(this.#waiting, ({ request }) => request.priority);
    while (this.#running.length < this.#limits.running) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const { prompt, sampling } = first.request;
      const reservedTokens = Math.min(prompt.ids.length + sampling.maxTokens, this.contextTokens);
      const room = this.#limits.kvTokens - this.#reserved - reservedTokens;
      if (room < 0) return;
      this.#waiting.shift();
      this.#start(first, reservedTokens);
      this.#sessions.shrinkTo(room);
    }
  }

  #start(one: Waiting, reservedTokens: number): void {
    const { session, prompt, sampling } = one.request;
    const kept = session === null ? null : this.#sessions.take(session, prompt.ids);
    const resumed = kept ?? { sequence: this.#model.open(), cachedTokens: 0 };
    this.#running.push({
      ...one,
      ...resumed,
      reservedTokens,
      generation: new Generation(prompt, sampling, this.#speech),
    });
    const queueMs = Math.round(this.#now() - one.since);
    one.outbox.put({ kind: 'accepted', queueMs, cachedTokens: resumed.cachedTokens });
  }

  async #step(): Promise<void> {
    const given = nextBatch(this.#running.map(taskOf), this.#limits.stepTokens);
    const members = this.#running.filter((_, i) => (given[i] ?? 0) > 0);
    const counts = given.filter((tokens) => tokens > 0);
    const batch = members.map(({ sequence, generation }, i) => {
      return { sequence, tokens: generation.tokens.slice(sequence.length, sequence.length + (counts[i] ?? 0)) };
    });
    const unwanted = whenAllEnd(members);
    try {
      const logits = await this.#model.step(batch, unwanted.signal);
      for (const [i, one] of members.entries()) this.#advance(one, logits[i]);
    } catch (error) {
      for (const one of members) this.#giveUp(one, unwanted.signal.aborted ? null : error);
    } finally {
      unwanted.end();
    }
  }

  /** @throws RangeError for a row that holds no numbers: then no row of the step can be trusted */
  #advance(one: Running, logits: Float32Array | undefined): void {
    const { sequence, generation, request } = one;
    if (sequence.length < generation.tokens.length || endOf(request) !== null) return;
    if (logits === undefined) throw new Error('a step gave fewer rows of logits than it was asked for');
    this.#tell(one, generation.take(logits));
  }

  #tell(one: Running, { deltas, over }: Progress): void {
    const { request, outbox, generation, sequence, cachedTokens } = one;
    for (const delta of deltas) outbox.put(delta);
    if (over === null) return;
    this.#running = this.#running.filter((other) => other !== one);
    if (request.session === null) sequence.close();
    else this.#sessions.keep(request.session, sequence, generation.tokens);
    const { promptTokens, completionTokens } = generation;
    outbox.put({ kind: 'finished', ...over, promptTokens, cachedTokens, completionTokens });
  }

  /** Ends a generation whose step failed. @param error null where nobody wanted it any more */
  #giveUp(one: Running, error: unknown): void {
    if (!this.#running.includes(one)) return;
    if (error === null) {
      this.#tell(one, one.generation.break(endOf(one.request) ?? 'aborted'));
      return;
    }
    this.#running = this.#running.filter((other) => other !== one);
    one.sequence.close();
    one.outbox.fail(error);
  }
}

function taskOf({ generation, sequence, request }: Running): Task {
  const decoding = generation.completionTokens > 0;
  return { pendingTokens: generation.tokens.length - sequence.length, decoding, priority: request.priority };
}

function endOf({ abort, deadline }: GenerationRequest): 'aborted' | 'deadline' | null {
  if (abort.aborted) return 'aborted';
  return deadline.aborted ? 'deadline' : null;
}

/** A signal that fires when none of these generations is wanted any more; `end` lets go of their own. */
function whenAllEnd(members: readonly Running[]): { readonly signal: AbortSignal; end(): void } {
  const unwanted = new AbortController();
  const ended = new AbortController();
  const look = (): void => {
    if (members.every(({ request }) => endOf(request) !== null)) unwanted.abort();
  };
  for (const { request } of members) {
    request.abort.addEventListener('abort', look, { signal: ended.signal });
    request.deadline.addEventListener('abort', look, { signal: ended.signal });
  }
  return { signal: unwanted.signal, end: () => ended.abort() };
}
