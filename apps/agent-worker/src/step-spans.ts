import type { ResearchEvent } from '#domain';
import { beginSpan, failWith, inSpan, newTraceparent, type OpenSpan, type SpanName, spanKeys } from '#platform';
import type { Claim } from '#runs';

/** A run that takes longer is worth a look at whatever it does from then on. */
const slowRunSeconds = 1_800;

/**
 * The spans of a run's steps, one behind the other. Each is a trace of its own, for a trace of hours is of no use; it is
 * linked to the request that the run came by, and to the step before. Once something failed, or the run takes long, all
 * that follows is sampled.
 */
export class StepSpans {
  readonly #claim: Claim;
  #number: number;
  #failed = false;
  #open: OpenSpan;

  constructor(claim: Claim) {
    this.#claim = claim;
    this.#number = claim.log.length + 1;
    this.#open = this.#begin([], claim.elapsedSeconds);
  }

  /** Names the step in work. */
  get traceparent(): string {
    return this.#open.traceparent ?? newTraceparent();
  }

  /** Does the step in work, but for its commit. */
  async perform(work: () => Promise<ResearchEvent | null>): Promise<ResearchEvent | null> {
    const event = await this.#open.around(work);
    if (event !== null) this.#open.set({ [spanKeys.event]: event.kind });
    if (event?.kind === 'model-failed') this.#fail('model_failed');
    return event;
  }

  /** Does a part of the step in work in a span of its own. */
  async around<T>(name: SpanName, work: () => Promise<T>): Promise<T> {
    return await this.#open.around(async () => await inSpan(name, {}, work));
  }

  /** Begins the next one. */
  next(elapsedSeconds: number): void {
    const before = this.#open;
    before.end();
    this.#number += 1;
    this.#open = this.#begin(before.traceparent === undefined ? [] : [before.traceparent], elapsedSeconds);
  }

  /** All of a drive; its outcome is that of the step in work at its end. */
  async whole<T extends string>(drive: () => Promise<T>): Promise<T> {
    try {
      const outcome = await drive();
      this.#open.set({ [spanKeys.outcome]: outcome });
      return outcome;
    } catch (error) {
      failWith(this.#open, error);
      throw error;
    } finally {
      this.#open.end();
    }
  }

  #fail(fault: string): void {
    this.#failed = true;
    this.#open.fail(fault);
  }

  #begin(before: readonly string[], elapsedSeconds: number): OpenSpan {
    const { traceparent, runId, tenantId, epoch } = this.#claim;
    return beginSpan('step', {
      under: null,
      links: [traceparent, ...before],
      sampled: this.#failed || elapsedSeconds > slowRunSeconds,
      fields: {
        [spanKeys.run]: runId,
        [spanKeys.tenant]: tenantId,
        [spanKeys.epoch]: epoch,
        [spanKeys.step]: this.#number,
      },
    });
  }
}
