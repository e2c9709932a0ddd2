import { type LimitReason, type Limits, nothingSpent, type Spending, spendModelCall } from './budget.ts';
import type { AnswerPart, ModelReply, ToolCall, ToolOutcome, Turn } from './conversation.ts';
import { evidenceDraft } from './evidence.ts';
import type { ResearchRequest } from './request.ts';

/** A tool call with its place in the run: `step` counts model replies from 0, `index` the calls of that reply. */
export interface PlacedCall extends ToolCall {
  readonly step: number;
  readonly index: number;
}

/** How a run ended, before the report is rendered. */
export type Ending =
  | { readonly status: 'completed' }
  | { readonly status: 'incomplete'; readonly reason: LimitReason }
  | { readonly status: 'cancelled' }
  | { readonly status: 'failed'; readonly message: string };

interface Common {
  /** Model replies so far; the step that is now in work has this number. */
  readonly step: number;
  readonly turns: readonly Turn[];
  readonly spent: Spending;
}

/** Where a run stands. Nothing but the fold of its events. */
export type ResearchState = Common &
  (
    | { readonly phase: 'thinking' }
    | { readonly phase: 'acting'; readonly calls: readonly PlacedCall[] }
    | { readonly phase: 'concluding'; readonly draft: readonly AnswerPart[]; readonly ending: Ending }
  );

/** What can happen to a run. One event is one durable step; its order in the log is its number. */
export type ResearchEvent =
  /** `forced` says which limit made this the last call, if one did. */
  | { readonly kind: 'model-replied'; readonly reply: ModelReply; readonly forced: LimitReason | null }
  | { readonly kind: 'tools-returned'; readonly outcomes: readonly ToolOutcome[] }
  | { readonly kind: 'limit-reached'; readonly reason: LimitReason }
  | { readonly kind: 'model-failed'; readonly message: string }
  | { readonly kind: 'cancelled' };

/** What the shell must do next. Exactly one command is outstanding at any time. */
export type Command =
  | { readonly kind: 'ask-model' }
  | { readonly kind: 'call-tools'; readonly calls: readonly PlacedCall[] }
  | { readonly kind: 'conclude'; readonly draft: readonly AnswerPart[]; readonly ending: Ending };

/** The event cannot occur in this phase: a bug of the caller, never retried. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

/** The state of a run that was just accepted, and its first command. */
export function begin({ question, sources }: ResearchRequest): [ResearchState, Command] {
  const turns: Turn[] = [{ role: 'question', text: question, urls: sources.urls }];
  return [{ phase: 'thinking', step: 0, turns, spent: nothingSpent }, { kind: 'ask-model' }];
}

/**
 * Advances one research run by one event. Pure; the caller performs the command.
 * @throws ProtocolViolation when the event cannot occur in this phase.
 */
export function advance(state: ResearchState, event: ResearchEvent, limits: Limits): [ResearchState, Command] {
  switch (event.kind) {
    case 'model-replied':
      return onReply(expectPhase(state, 'thinking', event), event, limits);
    case 'tools-returned': {
      const { calls } = expectPhase(state, 'acting', event);
      if (calls.length !== event.outcomes.length) {
        throw new ProtocolViolation(`${event.outcomes.length} outcomes for ${calls.length} calls`);
      }
      const spent = { ...state.spent, toolCalls: state.spent.toolCalls + calls.length };
      return think({ ...common(state), spent }, { role: 'tools', results: event.outcomes });
    }
    case 'limit-reached':
      return conclude(expectOpen(state, event), { status: 'incomplete', reason: event.reason });
    case 'model-failed':
      return conclude(expectPhase(state, 'thinking', event), { status: 'failed', message: event.message });
    case 'cancelled':
      return conclude(expectOpen(state, event), { status: 'cancelled' });
  }
}

/** Ends a run that no event can end any more, with what it has found. */
export function giveUp(state: ResearchState, message: string): [ResearchState, Command] {
  return conclude(state, { status: 'failed', message });
}

/** Folds a whole log. Cost O(events). */
export function replay(request: ResearchRequest, events: readonly ResearchEvent[]): [ResearchState, Command] {
  return events.reduce<[ResearchState, Command]>(
    ([state], event) => advance(state, event, request.limits),
    begin(request),
  );
}

type ReplyEvent = Extract<ResearchEvent, { kind: 'model-replied' }>;

function onReply(state: ResearchState, { reply, forced }: ReplyEvent, limits: Limits): [ResearchState, Command] {
  const after: Common = {
    step: state.step + 1,
    turns: [...state.turns, { role: 'model', text: reply.text, calls: reply.calls }],
    spent: spendModelCall(state.spent, reply.usage, limits.prices),
  };
  if (reply.answer !== undefined) {
    const blind = nothingCouldBeRead(after.turns);
    if (blind !== null && !reply.answer.some((part) => part.claim)) {
      return concludeWith(after, reply.answer, { status: 'failed', message: blind });
    }
    const ending: Ending = forced === null ? { status: 'completed' } : { status: 'incomplete', reason: forced };
    return concludeWith(after, reply.answer, ending);
  }
  if (forced !== null) return conclude(after, { status: 'incomplete', reason: forced });
  if (reply.calls.length > 0) {
    const calls = reply.calls.map((call, index) => ({ ...call, step: state.step, index }));
    return [
      { ...after, phase: 'acting', calls },
      { kind: 'call-tools', calls },
    ];
  }
  return think(after, { role: 'notice', text: reply.problem ?? 'Your reply held neither a tool call nor an answer.' });
}

/** Faults of look-ups when all of them failed, else null: an answer without claims then does not mean that nothing is there. */
function nothingCouldBeRead(turns: readonly Turn[]): string | null {
  const sections = turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .flatMap((outcome) => outcome.observation.sections);
  const faults = sections.flatMap(({ label, fault }) =>
    fault === undefined || fault.kind === 'empty' ? [] : [`${label}: ${fault.message}`],
  );
  return faults.length > 0 && faults.length === sections.length ? `Nothing could be read. ${faults.join(' ')}` : null;
}

function think(before: Common, turn: Turn): [ResearchState, Command] {
  return [{ ...before, phase: 'thinking', turns: [...before.turns, turn] }, { kind: 'ask-model' }];
}

/** Ends without an answer of the model: the best evidence stands in for it. */
function conclude(state: Common, ending: Ending): [ResearchState, Command] {
  return concludeWith(state, evidenceDraft(state.turns), ending);
}

function concludeWith(state: Common, draft: readonly AnswerPart[], ending: Ending): [ResearchState, Command] {
  return [
    { ...common(state), phase: 'concluding', draft, ending },
    { kind: 'conclude', draft, ending },
  ];
}

function common({ step, turns, spent }: Common): Common {
  return { step, turns, spent };
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
