import {
  advance,
  announce,
  announceEnd,
  buildReport,
  type Command,
  giveUp,
  numberSources,
  type PlacedCall,
  permit,
  type Report,
  type ResearchEvent,
  type ResearchRequest,
  type ResearchState,
  replay,
  type SourcePolicy,
  usageOf,
  verifyAnswer,
} from '#domain';
import { messageOf } from '#errors';
import { type ChatModel, type ChatRequest, ModelFault, type OfferedTool } from '#model';
import { childOf } from '#platform';
import type { Claim, Runs } from '#runs';
import { measured } from './instruments.ts';

/** What a run needs of the process that drives it. */
export interface Surroundings {
  readonly runs: Runs;
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

/** How a drive ended: with the run, because it had to stop, or because the run has another owner. */
export type DriveOutcome = 'ended' | 'stopped' | 'superseded';

/**
 * Drives a claimed run until it ends, its owner must stop, or somebody else owns it. Each step is committed before the
 * next begins, so that any worker can go on from the last one. A run that is not ended is left as it stands.
 */
export async function drive(claim: Claim, around: Surroundings, stop: Stop): Promise<DriveOutcome> {
  const run = new Drive(claim, around, stop);
  try {
    return await run.toTheEnd();
  } finally {
    run.letGo();
  }
}

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
  /** The span of the step in work. */
  #span: string;

  constructor(claim: Claim, around: Surroundings, stop: Stop) {
    this.#claim = claim;
    this.#around = around;
    this.#stop = stop;
    this.#halt = AbortSignal.any([stop.now, this.#cancel.signal]);
    this.#startedAt = around.now() - claim.elapsedSeconds * 1000;
    this.#stepsCommitted = claim.log.length;
    this.#span = childOf(claim.traceparent);
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
    while (command.kind !== 'conclude') {
      if (this.#stop.soon.aborted) return 'stopped';
      const event = await this.#perform(state, command);
      if (event === null) return 'stopped';
      const answered = command.kind === 'call-tools' ? command.calls : [];
      [state, command] = advance(state, event, request.limits);
      if (!(await this.#commit(state, command, event, answered))) return 'superseded';
    }
    return (await this.#conclude(state, command)) ? 'ended' : 'superseded';
  }

  /** @returns null when the worker must stop; the run is then handed back as it stands */
  async #perform(state: ResearchState, command: Exclude<Command, { kind: 'conclude' }>): Promise<ResearchEvent | null> {
    if (this.#cancel.signal.aborted) return { kind: 'cancelled' };
    const event = command.kind === 'ask-model' ? await this.#askModel(state) : await this.#callTools(command.calls);
    // What was paid for is kept, even if the end was asked for meanwhile.
    return event ?? (this.#cancel.signal.aborted ? { kind: 'cancelled' } : null);
  }

  async #askModel(state: ResearchState): Promise<ResearchEvent | null> {
    const { request } = this.#claim;
    const model = this.#around.models.get(request.model);
    if (model?.profile !== request.profile) return { kind: 'model-failed', message: unusable(request, model) };
    const draft = this.#chatRequest(state);
    const allowed = permit(state.spent, model.estimatePromptTokens(draft), this.#elapsedSeconds(), request.limits);
    if (allowed.kind === 'stop') return { kind: 'limit-reached', reason: allowed.reason };
    const mustAnswer = allowed.kind === 'answer';
    const chat = { ...draft, mustAnswer, maxCompletionTokens: allowed.maxCompletionTokens };
    const deadline = this.#deadline();
    const deltas = this.#around.runs.deltas(this.#claim, state.step);
    try {
      const signal = deadline === null ? this.#halt : AbortSignal.any([this.#halt, deadline]);
      const ask = async () => await model.reply(chat, signal, (text) => deltas.write(text));
      const reply = await measured(request.model, ask);
      return { kind: 'model-replied', reply, forced: mustAnswer ? allowed.reason : null };
    } catch (error) {
      if (deadline?.aborted) return { kind: 'limit-reached', reason: 'max_seconds' };
      if (this.#stop.now.aborted || this.#cancel.signal.aborted) return null;
      if (error instanceof ModelFault) return { kind: 'model-failed', message: messageOf(error) };
      throw error;
    } finally {
      deltas.end();
    }
  }

  #chatRequest({ turns }: ResearchState): ChatRequest {
    const { request, runId: session } = this.#claim;
    const { answerTokens: maxCompletionTokens } = request.limits;
    const tools = this.#around.tools.filter(({ name }) => name !== 'search' || hasSomethingToSearch(request.sources));
    const { today } = request;
    return { turns, tools, today, mustAnswer: false, maxCompletionTokens, session, traceparent: this.#span };
  }

  #promptTokens(state: ResearchState): number {
    return this.#around.models.get(this.#claim.request.model)?.estimatePromptTokens(this.#chatRequest(state)) ?? 0;
  }

  async #callTools(calls: readonly PlacedCall[]): Promise<ResearchEvent | null> {
    const deadline = this.#deadline();
    // Whoever waits for tools is at a step boundary: the calls go on without it.
    const signal = AbortSignal.any([this.#stop.soon, this.#halt, ...(deadline === null ? [] : [deadline])]);
    const outcomes = await this.#around.runs.callTools(this.#claim, calls, signal);
    if (outcomes !== null) return { kind: 'tools-returned', outcomes };
    await this.#lookAtFlags();
    return deadline?.aborted ? { kind: 'limit-reached', reason: 'max_seconds' } : null;
  }

  async #commit(
    state: ResearchState,
    command: Command,
    event: ResearchEvent,
    answered: readonly PlacedCall[],
  ): Promise<boolean> {
    const committed = await this.#around.runs.commit(this.#claim, {
      step: { number: this.#stepsCommitted + 1, event, answered },
      events: announce(event, state, command),
      intents: command.kind === 'call-tools' ? command.calls : [],
      spent: state.spent,
      traceparent: this.#span,
      ...(command.kind === 'ask-model' ? { askedTokens: this.#promptTokens(state) } : {}),
    });
    if (!committed.accepted) return false;
    this.#stepsCommitted += 1;
    this.#span = childOf(this.#claim.traceparent);
    if (committed.cancelRequested) this.#cancel.abort();
    return true;
  }

  async #conclude(state: ResearchState, { draft, ending }: Extract<Command, { kind: 'conclude' }>): Promise<boolean> {
    const { request, runId, tenantId } = this.#claim;
    const sources = numberSources(state.turns);
    const snapshots = await this.#around.runs.texts(tenantId, [...sources.keys()]);
    const verified = verifyAnswer(draft, sources, snapshots);
    const usage = usageOf(state.spent, state.step, this.#elapsedSeconds());
    const model = this.#around.models.get(request.model)?.name ?? null;
    const report: Report = buildReport({ ...request, runId, model }, verified, ending, usage);
    const outcome = { state: report.status, report };
    return (await this.#around.runs.commit(this.#claim, { events: announceEnd(report), outcome })).accepted;
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

  /** Fires when the run's time is over; null where it has no limit. */
  #deadline(): AbortSignal | null {
    const { seconds } = this.#claim.request.limits.budget;
    if (seconds === undefined) return null;
    return AbortSignal.timeout(Math.max(0, Math.ceil((seconds - this.#elapsedSeconds()) * 1000)));
  }
}

/** Why a run's model cannot be asked here. */
function unusable(request: ResearchRequest, model: ChatModel | undefined): string {
  if (model === undefined) return `The model ${request.model} is not configured on this worker.`;
  return `The run was accepted for the profile ${request.profile} of ${request.model}; this worker has ${model.profile}.`;
}

/** A run without documents and without the web has only the pages that its user named. */
function hasSomethingToSearch({ corpora, web }: SourcePolicy): boolean {
  return corpora.length > 0 || web;
}
