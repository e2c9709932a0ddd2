import {
  ask,
  check,
  conclude,
  concludeWith,
  end,
  finish,
  onCheckedAnswer,
  onCheckedOutput,
  retryOutput,
} from './answer.ts';
import { callRoom, type Limits, nothingSpent, spendModelCall, spendReadings, spendToolCalls } from './budget.ts';
import { afterResults, afterUnusableReply, isStuck, noProgressYet } from './circles.ts';
import { clipOutcomes } from './clip.ts';
import { type Context, digestOf, wholeContext } from './context.ts';
import type { ModelReply, Order, ToolCall, Turn } from './conversation.ts';
import { tooManyCalls, unaffordableCalls } from './instructions.ts';
import { opensKnownOnly, withOpens } from './known-pages.ts';
import { dearestFees, dearestPrices, pricesAt, toNanoUsd } from './money.ts';
import { readingUsage, withReadings } from './reading.ts';
import type { ResearchRequest } from './request.ts';
import {
  type Aim,
  type Command,
  type Common,
  common,
  type Ending,
  ProtocolViolation,
  type ResearchEvent,
  type ResearchState,
} from './run-state.ts';

/** Calls that one reply may ask for. */
const mostCalls = 16;

const research: Aim = { kind: 'research' };

/** The state of a run that was just accepted, and its first command. */
export function begin({ question, preface, sources, outputSchema }: ResearchRequest): [ResearchState, Command] {
  const text = preface === undefined ? question : `${preface}\n\n${question}`;
  const turns: Turn[] = [{ role: 'question', text, urls: sources.urls }];
  const after: Common = {
    step: 0,
    turns,
    context: wholeContext,
    spent: nothingSpent,
    progress: noProgressYet,
    outputSchema: outputSchema ?? null,
    opensKnownOnly: opensKnownOnly(sources),
    answered: null,
    outputTries: 0,
  };
  return ask(after, research);
}

/**
 * Advances one research run by one event. Pure; the caller performs the command.
 * @throws ProtocolViolation when the event cannot occur in this phase.
 */
export function advance(state: ResearchState, event: ResearchEvent, limits: Limits): [ResearchState, Command] {
  switch (event.kind) {
    case 'model-replied':
      return onReply(expectPhase(state, 'thinking', event), event, limits);
    case 'tools-returned':
      return onResults(expectPhase(state, 'acting', event), event, limits);
    case 'context-compacted': {
      const { aim, turns } = expectPhase(state, 'thinking', event);
      const context: Context = { digest: digestOf(turns, event), from: event.from, measured: null };
      return ask({ ...common(state), context }, aim);
    }
    case 'answer-checked':
      return onCheckedAnswer(expectPhase(state, 'checking', event), event);
    case 'output-checked':
      return onCheckedOutput(expectPhase(state, 'checking', event), event.faults);
    case 'limit-near':
      return ask(common(expectPhase(state, 'thinking', event)), { kind: 'answer', reason: event.reason });
    case 'limit-reached': {
      const message = `A limit of the run (${event.reason}) came before it.`;
      return conclude(expectOpen(state, event), { status: 'incomplete', reason: event.reason }, message);
    }
    case 'model-failed':
      return conclude(
        expectPhase(state, 'thinking', event),
        { status: 'failed', message: event.message },
        event.message,
      );
    case 'cancelled':
      return end(expectOpen(state, event), { status: 'cancelled' });
  }
}

/** Ends a run that no event can end any more, with what it has found. */
export function giveUp(state: ResearchState, message: string): [ResearchState, Command] {
  return end(state, { status: 'failed', message });
}

/** Folds a whole log. Cost O(events). */
export function replay(request: ResearchRequest, events: readonly ResearchEvent[]): [ResearchState, Command] {
  return events.reduce<[ResearchState, Command]>(
    ([state], event) => advance(state, event, request.limits),
    begin(request),
  );
}

type Thinking = Extract<ResearchState, { phase: 'thinking' }>;
type ReplyEvent = Extract<ResearchEvent, { kind: 'model-replied' }>;

function onReply(state: Thinking, event: ReplyEvent, limits: Limits): [ResearchState, Command] {
  const { reply } = event;
  const after = afterReply(state, event, limits);
  switch (state.aim.kind) {
    case 'research':
    case 'answer':
      return onResearch(after, event, limits);
    case 'repair':
      // Whatever else came: the answer that was to be mended stands.
      if (reply.answer === undefined || state.answered === null) return finish(after);
      return check(after, { kind: 'answer', draft: reply.answer, ending: state.answered.ending });
    case 'output':
      if (reply.output !== undefined) return check(after, { kind: 'output', output: reply.output });
      return retryOutput(after, [reply.problem ?? 'The reply held no JSON.']);
  }
}

/** The reply joins the turns, behind the order that asked for it: the prompt that follows begins with this one. */
function afterReply(state: Thinking, { reply, forced, at }: ReplyEvent, limits: Limits): Common {
  const order = orderOf(state, forced !== null);
  const turns: Turn[] = [
    ...state.turns,
    ...(order === null ? [] : [order]),
    { role: 'model', text: reply.text, calls: reply.calls },
  ];
  const { promptTokens, completionTokens, estimated } = reply.usage;
  const shown = turns.length - state.context.from + (state.context.digest === null ? 1 : 2);
  const measured = estimated ? null : { turns: shown, tokens: promptTokens + completionTokens };
  return {
    ...common(state),
    step: state.step + 1,
    turns,
    context: { ...state.context, measured },
    spent: spendModelCall(state.spent, reply.usage, pricesAt(limits, at).prices),
    progress: { ...state.progress, circle: null },
  };
}

/**
 * The order with which a model is asked, or null where it may go on with its research.
 * @param forced whether a limit asks for the answer now
 */
export function orderOf({ aim, outputSchema }: Thinking, forced: boolean): Order | null {
  if (aim.kind === 'output' && outputSchema !== null) return { role: 'order', schema: outputSchema };
  return aim.kind === 'research' && !forced ? null : { role: 'order' };
}

function onResearch(before: Common, event: ReplyEvent, limits: Limits): [ResearchState, Command] {
  const { forced } = event;
  const reply = { ...event.reply, calls: event.reply.calls.slice(0, callRoom(before.spent, limits)) };
  const after = reply.calls.length < event.reply.calls.length ? withCalls(before, reply.calls) : before;
  if (reply.answer !== undefined) {
    const blind = nothingCouldBeRead(after.turns);
    if (blind !== null && !reply.answer.some((part) => part.claim)) {
      return concludeWith(after, { draft: reply.answer, ending: { status: 'failed', message: blind } });
    }
    const ending: Ending = forced === null ? { status: 'completed' } : { status: 'incomplete', reason: forced };
    return check(after, { kind: 'answer', draft: reply.answer, ending });
  }
  if (forced !== null) return conclude(after, { status: 'incomplete', reason: forced }, 'There was no answer to it.');
  if (reply.calls.length > mostCalls) return refuse(withCalls(after, []), tooManyCalls(reply.calls.length, mostCalls));
  if (!canPay(after, reply, limits))
    return refuse(withCalls(after, []), unaffordableCalls, { kind: 'answer', reason: 'max_usd' });
  if (reply.calls.length > 0) {
    const placed = reply.calls.map((call, index) => ({ ...call, step: after.step - 1, index }));
    const granted = withReadings(placed, { spent: after.spent, usage: reply.usage }, limits);
    const calls = after.opensKnownOnly ? withOpens(granted, after.turns) : granted;
    return [
      { ...after, phase: 'acting', calls },
      { kind: 'call-tools', calls },
    ];
  }
  return refuse(after, reply.problem ?? 'Your reply held neither a tool call nor an answer.');
}

/** A call that is shown to a model must have a result: one that is not made is not shown as a call. */
function withCalls(after: Common, calls: readonly ToolCall[]): Common {
  const turns = after.turns.map((turn, index): Turn => {
    return index === after.turns.length - 1 && turn.role === 'model' ? { ...turn, calls } : turn;
  });
  return { ...after, turns };
}

/** Nothing came of a reply, and the model is told why. */
function refuse(after: Common, why: string, aim?: Aim): [ResearchState, Command] {
  const progress = afterUnusableReply(after.progress);
  return think({ ...after, progress }, { role: 'notice', text: why }, aim);
}

/** Whether the calls of a reply leave enough for the longest answer over everything that they may bring. */
function canPay({ spent }: Common, { calls, usage }: ModelReply, limits: Limits): boolean {
  const { budget, observationTokens, answerTokens } = limits;
  const prices = dearestPrices(limits);
  if (budget.usd === undefined || prices === null) return true;
  const withFees = spendToolCalls(spent, calls, dearestFees(limits));
  if (withFees.nanoUsd === spent.nanoUsd) return true;
  const promptTokens = usage.promptTokens + usage.completionTokens + observationTokens;
  const answer = { promptTokens, cachedTokens: 0, completionTokens: answerTokens };
  return spendModelCall(withFees, answer, prices).nanoUsd <= toNanoUsd(budget.usd);
}

function onResults(
  state: Extract<ResearchState, { phase: 'acting' }>,
  { outcomes, at }: Extract<ResearchEvent, { kind: 'tools-returned' }>,
  limits: Limits,
): [ResearchState, Command] {
  const { calls } = state;
  const { prices, toolUsd } = pricesAt(limits, at);
  if (calls.length !== outcomes.length) {
    throw new ProtocolViolation(`${outcomes.length} outcomes for ${calls.length} calls`);
  }
  const withFees = spendToolCalls(state.spent, calls, toolUsd);
  const spent = spendReadings(withFees, readingUsage(calls, outcomes, limits), prices);
  const results = clipOutcomes(outcomes, limits.observationTokens);
  const progress = afterResults(state.progress, results);
  return think({ ...common(state), spent, progress }, { role: 'tools', results });
}

/**
 * Faults of look-ups when all of them failed, else null: an answer without claims then does not mean that nothing is there.
 * A search that only named pages read nothing.
 */
function nothingCouldBeRead(turns: readonly Turn[]): string | null {
  const sections = turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .flatMap((outcome) => outcome.observation.sections)
    .filter(({ passages, hits = [] }) => passages.length > 0 || hits.length === 0);
  const faults = sections.flatMap(({ label, fault }) =>
    fault === undefined || fault.kind === 'empty' ? [] : [`${label}: ${fault.message}`],
  );
  return faults.length > 0 && faults.length === sections.length ? `Nothing could be read. ${faults.join(' ')}` : null;
}

/** Adds a turn and goes on; with what the last event gave reason to point out, and the demand to answer if that does not help. */
function think(before: Common, turn: Turn, aim?: Aim): [ResearchState, Command] {
  const { circle } = before.progress;
  const turns: Turn[] = [...before.turns, turn];
  if (circle !== null) turns.push({ role: 'notice', text: circle.message });
  const next: Aim = isStuck(before.progress) ? { kind: 'answer', reason: 'no_progress' } : research;
  return ask({ ...before, turns }, aim ?? next);
}

/** A run that has its answer keeps it: nothing happens to it any more. */
function expectOpen(state: ResearchState, event: ResearchEvent): ResearchState {
  if (state.phase === 'concluding') throw new ProtocolViolation(`${event.kind} while ${state.phase}`);
  return state;
}

function expectPhase<P extends ResearchState['phase']>(
  state: ResearchState,
  phase: P,
  event: ResearchEvent,
): Extract<ResearchState, { phase: P }> {
  if (state.phase !== phase) throw new ProtocolViolation(`${event.kind} while ${state.phase}`);
  // The check above is the proof; TypeScript does not narrow a union by a generic.
  return state as Extract<ResearchState, { phase: P }>;
}
