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
  type ResearchState,
  replay,
  type SourcePolicy,
  usageOf,
  verifyAnswer,
} from '#domain';
import { messageOf } from '#errors';
import { type ChatModel, type ChatRequest, ModelFault, type OfferedTool } from '#model';
import type { Claim, Runs } from '#runs';

/** What a run needs of the process that drives it. */
export interface Surroundings {
  readonly runs: Runs;
  readonly models: ReadonlyMap<string, ChatModel>;
  readonly tools: readonly OfferedTool[];
  /** Milliseconds that only ever grow. */
  readonly now: () => number;
}

/**
 * Drives a claimed run until it ends, its owner must stop, or somebody else owns it. Each step is committed before the
 * next begins, so that any worker can go on from the last one.
 * @param closing fires when this worker must hand the run back
 */
export async function drive(claim: Claim, around: Surroundings, closing: AbortSignal): Promise<void> {
  const run = new Drive(claim, around, closing);
  try {
    await run.toTheEnd();
  } finally {
    run.letGo();
  }
}

/** A run that was claimed this often and has not ended makes its workers fail: it ends as it stands. */
const mostClaims = 100;

class Drive {
  readonly #claim: Claim;
  readonly #around: Surroundings;
  readonly #closing: AbortSignal;
  readonly #cancel = new AbortController();
  readonly #unsubscribe: () => void;
  readonly #startedAt: number;
  #stepsCommitted: number;

  constructor(claim: Claim, around: Surroundings, closing: AbortSignal) {
    this.#claim = claim;
    this.#around = around;
    this.#closing = closing;
    this.#startedAt = around.now() - claim.elapsedSeconds * 1000;
    this.#stepsCommitted = claim.log.length;
    if (claim.cancelRequested) this.#cancel.abort();
    this.#unsubscribe = around.runs.onFlag(claim, () => void this.#lookAtFlags());
  }

  letGo(): void {
    this.#unsubscribe();
  }

  async toTheEnd(): Promise<void> {
    let [state, command] = replay(this.#claim.request, this.#claim.log);
    if (this.#claim.epoch > mostClaims)
      [state, command] = giveUp(state, `It was begun ${mostClaims} times without an end.`);
    while (command.kind !== 'conclude') {
      const event = await this.#perform(state, command);
      if (event === null) return;
      const answered = command.kind === 'call-tools' ? command.calls : [];
      [state, command] = advance(state, event, this.#claim.request.limits);
      if (!(await this.#commit(state, command, event, answered))) return;
    }
    await this.#conclude(state, command);
  }

  /** @returns null when the worker must stop; the run is then handed back as it stands */
  async #perform(state: ResearchState, command: Exclude<Command, { kind: 'conclude' }>): Promise<ResearchEvent | null> {
    if (this.#cancel.signal.aborted) return { kind: 'cancelled' };
    const event = command.kind === 'ask-model' ? await this.#askModel(state) : await this.#callTools(command.calls);
    if (this.#closing.aborted) return null;
    return this.#cancel.signal.aborted ? { kind: 'cancelled' } : event;
  }

  async #askModel(state: ResearchState): Promise<ResearchEvent | null> {
    const { request } = this.#claim;
    const model = this.#around.models.get(request.model);
    if (model === undefined) {
      return { kind: 'model-failed', message: `The model ${request.model} is not configured on this worker.` };
    }
    const draft = this.#chatRequest(state);
    const allowed = permit(state.spent, model.estimatePromptTokens(draft), this.#elapsedSeconds(), request.limits);
    if (allowed.kind === 'stop') return { kind: 'limit-reached', reason: allowed.reason };
    const mustAnswer = allowed.kind === 'answer';
    const chat = { ...draft, mustAnswer, maxCompletionTokens: allowed.maxCompletionTokens };
    const deadline = this.#deadline();
    try {
      const signal = AbortSignal.any([this.#closing, this.#cancel.signal, deadline]);
      const reply = await model.reply(chat, signal, (text) => this.#around.runs.publishDelta(this.#claim, text));
      return { kind: 'model-replied', reply, forced: mustAnswer ? allowed.reason : null };
    } catch (error) {
      if (deadline.aborted) return { kind: 'limit-reached', reason: 'max_seconds' };
      if (this.#closing.aborted || this.#cancel.signal.aborted) return null;
      if (error instanceof ModelFault) return { kind: 'model-failed', message: messageOf(error) };
      throw error;
    }
  }

  #chatRequest({ turns }: ResearchState): ChatRequest {
    const { request, runId } = this.#claim;
    const { answerTokens: maxCompletionTokens } = request.limits;
    const tools = this.#around.tools.filter(({ name }) => name !== 'search' || hasSomethingToSearch(request.sources));
    return { turns, tools, today: request.today, mustAnswer: false, maxCompletionTokens, session: runId };
  }

  async #callTools(calls: readonly PlacedCall[]): Promise<ResearchEvent | null> {
    const deadline = this.#deadline();
    const signal = AbortSignal.any([this.#closing, this.#cancel.signal, deadline]);
    const outcomes = await this.#around.runs.callTools(this.#claim, calls, signal);
    if (outcomes !== null) return { kind: 'tools-returned', outcomes };
    return deadline.aborted ? { kind: 'limit-reached', reason: 'max_seconds' } : null;
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
    });
    if (!committed.accepted) return false;
    this.#stepsCommitted += 1;
    if (committed.cancelRequested) this.#cancel.abort();
    return true;
  }

  async #conclude(state: ResearchState, { draft, ending }: Extract<Command, { kind: 'conclude' }>): Promise<void> {
    const { request, runId, tenantId } = this.#claim;
    const sources = numberSources(state.turns);
    const snapshots = await this.#around.runs.texts(tenantId, [...sources.keys()]);
    const verified = verifyAnswer(draft, sources, snapshots);
    const usage = usageOf(state.spent, state.step, this.#elapsedSeconds());
    const model = this.#around.models.get(request.model)?.name ?? null;
    const report: Report = buildReport({ ...request, runId, model }, verified, ending, usage);
    await this.#around.runs.commit(this.#claim, {
      events: announceEnd(report),
      outcome: { state: report.status, report },
    });
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

  /** Fires when the run's time is over; never, where it has no limit. */
  #deadline(): AbortSignal {
    const { seconds } = this.#claim.request.limits.budget;
    if (seconds === undefined) return new AbortController().signal;
    return AbortSignal.timeout(Math.max(0, Math.ceil((seconds - this.#elapsedSeconds()) * 1000)));
  }
}

/** A run without documents and without the web has only the pages that its user named. */
function hasSomethingToSearch({ corpora, web }: SourcePolicy): boolean {
  return corpora.length > 0 || web;
}
