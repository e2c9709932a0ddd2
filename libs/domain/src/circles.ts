import type { ToolOutcome } from './conversation.ts';
import { shortened } from './instructions.ts';
import { stems, subjectWords } from './words.ts';

/** What tells that a researcher goes in circles. */
export type Sign = 'repeated_call' | 'dead_url' | 'no_new_evidence' | 'unusable_replies';

/** A circle that was just noticed, in words for the model. */
export interface Circle {
  readonly sign: Sign;
  readonly message: string;
}

/** How a run gets on: what it has asked and seen. Nothing but the fold of its events. */
export interface Progress {
  readonly asked: readonly Asked[];
  /** Places in snapshots that were shown, and addresses that searches named. */
  readonly seen: ReadonlySet<string>;
  /** How often each query or address failed. */
  readonly failures: ReadonlyMap<string, number>;
  /** Steps in a row that brought nothing new. */
  readonly barrenSteps: number;
  /** Replies in a row that were neither call nor answer. */
  readonly unusableReplies: number;
  /** Circles pointed out since the last new evidence. */
  readonly nudges: number;
  /** What the last event gave reason to point out. */
  readonly circle: Circle | null;
}

/** Something looked up: a tool with one query or address. */
interface Asked {
  readonly tool: string;
  readonly label: string;
  readonly words: ReadonlySet<string>;
}

export const noProgressYet: Progress = {
  asked: [],
  seen: new Set(),
  failures: new Map(),
  barrenSteps: 0,
  unusableReplies: 0,
  nudges: 0,
  circle: null,
};

/** Steps without anything new before that is pointed out. */
const mostBarrenSteps = 4;

/** Replies without call or answer after which the answer is demanded. */
const mostUnusableReplies = 4;

/** Circles that are pointed out; at the next one the answer is demanded. */
const mostNudges = 3;

/** Failures of one address after which it is called dead; one that may pass gets another try. */
const deadAfter = { transient: 3, quota: 3, blocked: 2, empty: 2, invalid: 2 } as const;

/** Share of words that two queries have in common, of all that they have, from which on they are the same. */
const nearlySame = 0.8;

/** True where pointing it out has not helped: the run must be brought to its answer. */
export function isStuck({ nudges, unusableReplies }: Progress): boolean {
  return nudges > mostNudges || unusableReplies >= mostUnusableReplies;
}

/** A reply that could not be used. What was wrong with it, the model is told anyway. */
export function afterUnusableReply(progress: Progress): Progress {
  const unusableReplies = progress.unusableReplies + 1;
  const message = `${unusableReplies} replies in a row came to nothing.`;
  const circle: Circle | null = unusableReplies < 2 ? null : { sign: 'unusable_replies', message };
  return { ...progress, unusableReplies, circle };
}

/** Results came. Cost O(queries of the run), and O(places seen in it) where something new was found. A page to read is new, too. */
export function afterResults(progress: Progress, outcomes: readonly ToolOutcome[]): Progress {
  const sections = outcomes.flatMap(({ call, observation }) =>
    observation.sections.map((section) => ({ tool: call.tool, ...section })),
  );
  const places = sections.flatMap(({ passages, hits = [] }) => [
    ...passages.map((p) => `${p.sha256}:${p.start}-${p.end}`),
    ...hits.map(({ url }) => url),
  ]);
  const fresh = places.some((place) => !progress.seen.has(place));
  const failures = new Map(progress.failures);
  for (const { label, fault } of sections) {
    if (fault) failures.set(label, (failures.get(label) ?? 0) + 1);
    else failures.delete(label);
  }
  // A call that failed as a whole names no query, and an outage says nothing about one.
  const heard = sections.filter(({ tool, label, fault }) => label !== tool && (!fault || fault.kind === 'empty'));
  const asked = heard.map(({ tool, label }) => ({
    tool,
    label,
    words: new Set(subjectWords(label).flatMap(stems)),
  }));
  const barrenSteps = fresh ? 0 : progress.barrenSteps + 1;
  const dead = sections.find(
    ({ label, fault }) =>
      fault !== undefined && isAddress(label) && (failures.get(label) ?? 0) >= deadAfter[fault.kind],
  );
  const again = fresh ? undefined : asked.find((one) => progress.asked.some((other) => isSame(one, other)));
  const circle = circleOf(dead?.label, again, barrenSteps);
  const before = fresh ? 0 : progress.nudges;
  return {
    asked: [...progress.asked, ...asked],
    seen: fresh ? new Set([...progress.seen, ...places]) : progress.seen,
    failures,
    barrenSteps,
    unusableReplies: 0,
    nudges: before + (circle === null ? 0 : 1),
    circle,
  };
}

function circleOf(dead: string | undefined, again: Asked | undefined, barrenSteps: number): Circle | null {
  if (dead !== undefined) {
    const message = `${shortened(dead)} has failed again and again. Do not ask for it any more: look for another source of the same.`;
    return { sign: 'dead_url', message };
  }
  if (again !== undefined) {
    const message = `You have asked "${shortened(again.label)}" before, and nothing new came of it. Ask for something else, read one of the sources, or answer with what you have.`;
    return { sign: 'repeated_call', message };
  }
  if (barrenSteps < mostBarrenSteps) return null;
  const message = `The last ${barrenSteps} steps brought nothing that you had not seen. Try quite another way, or answer with what you have and say what remains open.`;
  return { sign: 'no_new_evidence', message };
}

function isAddress(label: string): boolean {
  return label.includes('://');
}

function isSame(one: Asked, other: Asked): boolean {
  if (one.tool !== other.tool) return false;
  if (one.label === other.label) return true;
  if (isAddress(one.label) || isAddress(other.label) || one.words.size === 0) return false;
  let shared = 0;
  for (const word of one.words) if (other.words.has(word)) shared++;
  return shared / (one.words.size + other.words.size - shared) >= nearlySame;
}
