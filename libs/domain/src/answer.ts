import type { Turn } from './conversation.ts';
import { evidenceDraft } from './evidence.ts';
import { outputNotice, repairNotice } from './instructions.ts';
import {
  type Aim,
  type Answered,
  type Checkable,
  type Command,
  type Common,
  type Conclusion,
  common,
  type Ending,
  ProtocolViolation,
  type ResearchEvent,
  type ResearchState,
} from './run-state.ts';

/** Objects that may fail to fit the schema: the first, and two that were to mend it. */
const mostOutputTries = 3;

type Checking = Extract<ResearchState, { phase: 'checking' }>;

/** One repair is asked for; of the two answers the one with more proven claims stays, the repaired one where they are even. */
export function onCheckedAnswer(
  state: Checking,
  { supported, faults }: Extract<ResearchEvent, { kind: 'answer-checked' }>,
): [ResearchState, Command] {
  const { draft, answered: first } = state;
  if (draft.kind !== 'answer') throw new ProtocolViolation('an answer was checked, but an output was given');
  const answered: Answered = { draft: draft.draft, ending: draft.ending, supported };
  if (first === null && faults.length > 0) {
    const notice: Turn = { role: 'notice', text: repairNotice(faults) };
    return ask({ ...common(state), turns: [...state.turns, notice], answered }, { kind: 'repair' });
  }
  return finish({ ...common(state), answered: first !== null && first.supported > supported ? first : answered });
}

/** The answer stands: what is left is the object that the request asked for. */
export function finish(after: Common): [ResearchState, Command] {
  if (after.outputSchema !== null) return ask(after, { kind: 'output' });
  return end(after, { status: 'completed' });
}

export function onCheckedOutput(state: Checking, faults: readonly string[]): [ResearchState, Command] {
  const { draft } = state;
  if (draft.kind !== 'output') throw new ProtocolViolation('an output was checked, but an answer was given');
  if (faults.length > 0) return retryOutput(common(state), faults);
  return end(common(state), { status: 'completed' }, { output: draft.output, outputFaults: [] });
}

export function retryOutput(after: Common, faults: readonly string[]): [ResearchState, Command] {
  const outputTries = after.outputTries + 1;
  if (outputTries >= mostOutputTries) {
    return end(after, { status: 'completed' }, { output: null, outputFaults: faults });
  }
  const notice: Turn = { role: 'notice', text: outputNotice(faults) };
  return ask({ ...after, outputTries, turns: [...after.turns, notice] }, { kind: 'output' });
}

export function ask(after: Common, aim: Aim): [ResearchState, Command] {
  return [
    { ...after, phase: 'thinking', aim },
    { kind: 'ask-model', aim },
  ];
}

export function check(after: Common, draft: Checkable): [ResearchState, Command] {
  return [
    { ...after, phase: 'checking', draft },
    { kind: 'check', draft },
  ];
}

/** Something ended the work. An answer that was given before stands as it is; only what was to follow it is missing. */
export function conclude(state: Common, ending: Ending, whyNoOutput: string): [ResearchState, Command] {
  const outputFaults = state.outputSchema === null ? [] : [whyNoOutput];
  return end(state, state.answered?.ending ?? ending, { output: null, outputFaults });
}

type Output = Pick<Conclusion, 'output' | 'outputFaults'>;
const noOutput: Output = { output: null, outputFaults: [] };

/** Ends with the answer, in the way that it ended the research; without one, the best evidence stands in for it. */
export function end(state: Common, ending: Ending, output: Output = noOutput): [ResearchState, Command] {
  const { answered } = state;
  if (answered === null) return concludeWith(state, { draft: evidenceDraft(state.turns), ending, ...output });
  const own = ending.status === 'completed' ? answered.ending : ending;
  return concludeWith(state, { draft: answered.draft, ending: own, ...output });
}

export function concludeWith(
  state: Common,
  what: Partial<Output> & Omit<Conclusion, keyof Output>,
): [ResearchState, Command] {
  const conclusion: Conclusion = { ...noOutput, ...what };
  if (state.outputSchema !== null && conclusion.output === null && conclusion.outputFaults.length === 0) {
    const outputFaults = [`The run ended as ${conclusion.ending.status} before it.`];
    return concludeWith(state, { ...conclusion, outputFaults });
  }
  return [
    { ...common(state), phase: 'concluding', conclusion },
    { kind: 'conclude', ...conclusion },
  ];
}
