import type { Guide } from './constraint/guide.ts';
import { Generation, type Progress, type PromptTokens, type Speech } from './generation.ts';
import { Outbox } from './outbox.ts';
import type { Sampling } from './sampling.ts';
import type { Task } from './scheduler.ts';

export interface GenerationRequest {
  /** Tenants share the group by weight, and nothing of what is kept. */
  readonly tenant: string;
  /** What this turn leaves is found by the next one with the same; null: it leaves nothing. */
  readonly session: string | null;
  readonly prompt: PromptTokens;
  readonly sampling: Sampling;
  /** Keeps the reply to a form, for this request alone; null where it may be anything. */
  readonly guide: Guide | null;
  /** Of this reply, what was generated already: it goes on behind that, and tells it again first. Absent: nothing. */
  readonly generated?: readonly number[];
  /** What the session may come to need in all; null: nothing is reserved for it, and nothing refused. */
  readonly sessionTokens?: number | null;
  /** Higher goes first within a tenant. */
  readonly priority: number;
  /** Fires when nobody wants the reply any more. */
  readonly abort: AbortSignal;
  /** Fires when its time is over; its reason is the limit in ms. */
  readonly deadline: AbortSignal;
}

/** A request with what it has come to. */
export class Job implements Task {
  readonly request: GenerationRequest;
  readonly outbox = new Outbox();
  readonly generation: Generation;
  readonly root: string;
  readonly since: number;
  /** What was generated before it came here; its reply may have ended with that. */
  readonly begin: Progress;
  /** Of the prompt. Null until it has had a place. */
  cachedTokens: number | null = null;
  /** Ends its share of the group's time, in ms; before it has a place, there is none. */
  share: () => number = () => 0;

  constructor(request: GenerationRequest, speech: Speech, since: number) {
    this.request = request;
    this.generation = new Generation(request.prompt, request.sampling, speech, request.guide);
    this.root = JSON.stringify([speech.model, request.tenant]);
    this.since = since;
    this.begin = this.generation.resume(request.generated ?? []);
  }

  get tenant(): string {
    return this.request.tenant;
  }

  get priority(): number {
    return this.request.priority;
  }

  /** Whether room was asked for it at its admission. */
  get isReserved(): boolean {
    return this.request.session !== null && (this.request.sessionTokens ?? null) !== null;
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
