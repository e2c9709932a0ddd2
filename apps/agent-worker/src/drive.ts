import { outputFaults } from '#contracts';
import {
  advance,
  announce,
  announceEnd,
  attributionsOf,
  buildReport,
  type Checkable,
  type Command,
  citedHashes,
  costBetween,
  degradedOf,
  giveUp,
  nextCall,
  numberSources,
  type Order,
  orderOf,
  type PlacedCall,
  type Report,
  type ResearchEvent,
  type ResearchState,
  replay,
  usageOf,
  type Verifiable,
  type VerifiedAnswer,
  verifyAnswer,
} from '#domain';
import { messageOf } from '#errors';
import { type ChatModel, type ChatRequest, ModelBusy, ModelFault, type OfferedTool, type OnDelta } from '#model';
import type { Claim, Commit, Runs } from '#runs';
import { chatRequestOf, deadlineOf, delayOf, instantOf, sessionOf, timed, unusable } from './asking.ts';
import { measured, StepMeter } from './instruments.ts';
import { StepSpans } from './step-spans.ts';

/** What a run in work needs of the record. */
export type RunRecord = Pick<Runs, 'commit' | 'callTools' | 'texts' | 'deltas' | 'onFlag' | 'cancelRequested'>;

/** What a run needs of the process that drives it. */
export interface Surroundings<R extends RunRecord = RunRecord> {
  readonly runs: R;
  readonly models: ReadonlyMap<string, ChatModel>;
  readonly tools: readonly OfferedTool[];
  /** Milliseconds that only ever grow. */
  readonly now: () => number;
}

/** When the worker of a run must let go of it. */
export interface Stop {
  /** At the next step boundary. */
  readonly soon: AbortSignal;
  /** In the middle of a step. */
  readonly now: AbortSignal;
}

/** How a drive ended: with the run, because it had to stop, because the run has another owner, or a busy model. */
export type DriveOutcome = 'ended' | 'stopped' | 'superseded' | 'waiting';

/**
 * Drives a claimed run until it ends, its owner must stop, or somebody else owns it. Each step is committed before the
 * next begins, so that any worker can go on from the last one. A run that is not ended is left as it stands.
 */
export async function drive(claim: Claim, around: Surroundings, stop: Stop): Promise<DriveOutcome> {
  const run = new Drive(claim, around, stop);
  try {
    return await run.spans.whole(async () => await run.toTheEnd());
  } finally {
    run.letGo();
  }
}

/** A step that is about to be committed. */
type Step = NonNullable<Commit['step']>;

class Drive {
  readonly #claim: Claim;
  readonly #around: Surroundings;
  readonly #stop: Stop;
  readonly #cancel = new AbortController();
  /** Fires when a step must stop in the middle. */
  readonly #halt: AbortSignal;
  readonly #unsubscribe: () => void;
  readonly #startedAt: number;
  #stepsCommitted: number;
  /** Size of the prompt that a state leads to. */
  #counted: { readonly state: ResearchState; readonly tokens: number } | null = null;
  /** Set when the model has no place for the run: what it asks to wait. */
  #busyMs: number | null = null;
  readonly spans: StepSpans;

  constructor(claim: Claim, around: Surroundings, stop: Stop) {
    this.#claim = claim;
    this.#around = around;
    this.#stop = stop;
    this.#halt = AbortSignal.any([stop.now, this.#cancel.signal]);
    this.#startedAt = around.now() - claim.elapsedSeconds * 1000;
    this.#stepsCommitted = claim.log.length;
    this.spans = new StepSpans(claim);
    if (claim.cancelRequested) this.#cancel.abort();
    this.#unsubscribe = around.runs.onFlag(claim, () => void this.#lookAtFlags());
  }

  letGo(): void {
    this.#unsubscribe();
  }

  async toTheEnd(): Promise<DriveOutcome> {
    const { request, log, hopeless } = this.#claim;
    let [state, command] = replay(request, log);
    if (hopeless !== null && command.kind !== 'conclude') [state, command] = giveUp(state, hopeless);
    const meter = new StepMeter(request.model);
    let step: Step | null = null;
    while (command.kind !== 'conclude') {
      if (this.#stop.soon.aborted) return 'stopped';
      meter.begin(command.kind);
      const event: ResearchEvent | null = await this.spans.perform(this.#perform.bind(this, state, command));
      if (event === null) return (await this.#putOff()) ? 'waiting' : 'stopped';
      const answered = command.kind === 'call-tools' ? command.calls : [];
      const before = state.spent;
      [state, command] = advance(state, event, request.limits);
      step = { number: this.#stepsCommitted + 1, event, answered, cost: costBetween(before, state.spent) };
      // The last step travels with the report.
      if (command.kind === 'conclude') break;
      if (!(await this.#commit(state, command, step))) return 'superseded';
      meter.committed(step?.cost);
    }
    if (!(await this.#conclude(state, command, step))) return 'superseded';
    meter.committed(step?.cost);
    return 'ended';
  }

  /** @returns null when the worker must stop; the run is then handed back as it stands */
  async #perform(state: ResearchState, command: Exclude<Command, { kind: 'conclude' }>): Promise<ResearchEvent | null> {
    if (this.#cancel.signal.aborted) return { kind: 'cancelled' };
    const event = await this.#happen(state, command);
    // What was paid for is kept, even if the end was asked for meanwhile.
    return event ?? (this.#cancel.signal.aborted ? { kind: 'cancelled' } : null);
  }

  async #happen(state: ResearchState, command: Exclude<Command, { kind: 'conclude' }>): Promise<ResearchEvent | null> {
    switch (command.kind) {
      case 'ask-model':
        return await this.#askModel(state);
      case 'call-tools':
        return await this.#callTools(command.calls);
      case 'check':
        return await this.#check(state, command.draft);
    }
  }

  async #askModel(state: ResearchState): Promise<ResearchEvent | null> {
    if (state.phase !== 'thinking') throw new Error(`the model is asked while ${state.phase}`);
    const { request } = this.#claim;
    const model = this.#around.models.get(request.model);
    if (model?.profile !== request.profile) return { kind: 'model-failed', message: unusable(request, model) };
    const next = nextCall(state, await this.#promptTokens(state), this.#elapsedSeconds(), request.limits);
    if (next.kind === 'event') return next.event;
    const { forced, maxCompletionTokens } = next;
    const chat = { ...this.#chatRequest(state, orderOf(state, forced !== null)), maxCompletionTokens };
    const isResearch = orderOf(state, forced !== null) === null;
    const deadline = this.#deadline(isResearch ? request.limits.answerSeconds : 0);
    const deltas = this.#around.runs.deltas(this.#claim, state.step);
    try {
      const signal = deadline === null ? this.#halt : AbortSignal.any([this.#halt, deadline]);
      const ask = async (onText: OnDelta) => await model.reply(chat, signal, onText);
      const reply = await measured(request.model, () => timed(this.#around.now, (text) => deltas.write(text), ask));
      return { kind: 'model-replied', reply, forced, at: instantOf(this.#claim, this.#elapsedSeconds()) };
    } catch (error) {
      if (deadline?.aborted) return { kind: isResearch ? 'limit-near' : 'limit-reached', reason: 'max_seconds' };
      if (this.#stop.now.aborted || this.#cancel.signal.aborted) return null;
      if (error instanceof ModelBusy) {
        this.#busyMs = error.retryAfterMs;
        return null;
      }
      if (error instanceof ModelFault) return { kind: 'model-failed', message: messageOf(error) };
      throw error;
    } finally {
      deltas.end();
    }
  }

  /** Leaves the place to others until the model may have room: no step was taken, and none is charged. */
  async #putOff(): Promise<boolean> {
    if (this.#busyMs === null) return false;
    const afterMs = delayOf(this.#busyMs, this.#claim.request.limits.budget.seconds, this.#elapsedSeconds());
    const waiting = { type: 'run.waiting', data: { reason: 'model', seconds: Math.ceil(afterMs / 1000) } } as const;
    const outcome = { state: 'queued', afterMs } as const;
    return (await this.#around.runs.commit(this.#claim, { events: [waiting], outcome })).accepted;
  }

  #chatRequest(state: ResearchState, order: Order | null): ChatRequest {
    return chatRequestOf(state, order, { claim: this.#claim, tools: this.#around.tools, span: this.spans.traceparent });
  }

  /** Of the largest prompt that may be sent now: with the order to answer at its end. */
  async #promptTokens(state: ResearchState): Promise<number> {
    const model = this.#around.models.get(this.#claim.request.model);
    if (state.phase !== 'thinking' || model === undefined) return 0;
    // A commit has counted already what the next step asks with.
    if (this.#counted?.state !== state) {
      const { tokens } = await model.countPrompt(this.#chatRequest(state, orderOf(state, true)));
      this.#counted = { state, tokens };
    }
    return this.#counted.tokens;
  }

  async #check(state: ResearchState, draft: Checkable): Promise<ResearchEvent> {
    if (draft.kind === 'output') {
      const { outputSchema = {} } = this.#claim.request;
      return { kind: 'output-checked', faults: outputFaults(outputSchema, draft.output) };
    }
    const { claims, faults } = await this.#verify(state, { draft: draft.draft });
    return {
      kind: 'answer-checked',
      supported: claims.filter(({ verdict }) => verdict === 'supported').length,
      faults,
    };
  }

  async #verify({ turns }: ResearchState, what: Verifiable): Promise<VerifiedAnswer> {
    const sources = numberSources(turns);
    const snapshots = await this.#around.runs.texts(this.#claim.tenantId, citedHashes(what, sources));
    return verifyAnswer(what, { sources, snapshots });
  }

  async #callTools(calls: readonly PlacedCall[]): Promise<ResearchEvent | null> {
    // Whoever waits for tools is at a step boundary: the calls go on without it.
    const signal = AbortSignal.any([this.#stop.soon, this.#halt]);
    const late = this.#deadline(this.#claim.request.limits.answerSeconds);
    const outcomes = await this.#around.runs.callTools(this.#claim, calls, signal, late);
    if (outcomes !== null)
      return { kind: 'tools-returned', outcomes, at: instantOf(this.#claim, this.#elapsedSeconds()) };
    await this.#lookAtFlags();
    return null;
  }

  async #commit(state: ResearchState, command: Command, step: Step): Promise<boolean> {
    const asked = command.kind === 'ask-model' ? { askedTokens: await this.#promptTokens(state) } : {};
    const committed = await this.#write({
      step,
      events: announce(step.event, state, command),
      intents: command.kind === 'call-tools' ? command.calls : [],
      spent: state.spent,
      traceparent: this.spans.traceparent,
      ...asked,
    });
    if (!committed.accepted) return false;
    this.#stepsCommitted += 1;
    this.spans.next(this.#elapsedSeconds());
    if (committed.cancelRequested) this.#cancel.abort();
    return true;
  }

  async #write(what: Commit): ReturnType<RunRecord['commit']> {
    return await this.spans.around('commit', async () => await this.#around.runs.commit(this.#claim, what));
  }

  /** @param step the event that ended the run; null where it was committed by an earlier owner */
  async #conclude(
    state: ResearchState,
    command: Extract<Command, { kind: 'conclude' }>,
    step: Step | null,
  ): Promise<boolean> {
    const { request, runId } = this.#claim;
    const { citations: rule = 'mark' } = request;
    const fields = command.output?.citations ?? {};
    const verified = await this.#verify(state, { draft: command.draft, fields, rule });
    const usage = usageOf(state.spent, state.step, this.#elapsedSeconds());
    const model = this.#around.models.get(request.model)?.name ?? null;
    const degraded = degradedOf(request, state.turns);
    const attributions = attributionsOf(state.turns);
    const report: Report = buildReport({ ...request, runId, model, degraded, attributions }, verified, command, usage);
    const outcome = { state: report.status, report };
    const last = step === null ? {} : { step, spent: state.spent, traceparent: this.spans.traceparent };
    const told = step === null ? [] : announce(step.event, state, command);
    const events = [...told, ...announceEnd(report)];
    const { accepted } = await this.#write({ ...last, events, outcome });
    // What servers keep for it serves nobody any more; a run that went elsewhere is its new owner's.
    if (accepted) await this.#around.models.get(request.model)?.release?.(sessionOf(this.#claim));
    return accepted;
  }

  async #lookAtFlags(): Promise<void> {
    try {
      if (await this.#around.runs.cancelRequested(this.#claim)) this.#cancel.abort();
    } catch {
      // The next commit reads the same flag; only the early stop is lost.
    }
  }

  #elapsedSeconds(): number {
    return (this.#around.now() - this.#startedAt) / 1000;
  }

  /** Fires when the run's time but for the reserve is over; null where it has no limit. */
  #deadline(reserveSeconds: number): AbortSignal | null {
    return deadlineOf(this.#claim.request.limits.budget.seconds, this.#elapsedSeconds() + reserveSeconds);
  }
}
