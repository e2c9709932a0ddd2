/** Why a call brought less than it was to. */
export interface Fault {
  readonly label: string;
  readonly kind: string;
  readonly message: string;
}

interface RowBase {
  /** Of the event that made it. */
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
}

/** Something that happened to the run as a whole. */
export interface NoteRow extends RowBase {
  readonly kind: 'note';
  readonly tone: 'plain' | 'good' | 'warn' | 'bad';
  readonly text: string;
}

/** One reply of the model. */
export interface StepRow extends RowBase {
  readonly kind: 'step';
  readonly step: number;
  readonly endedAt: string | null;
  readonly calls: number;
  readonly answered: boolean;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** What it has written so far, as far as it was seen; gone at the next reload. */
  readonly writing: string;
}

/** One call of a tool. Those of one step run side by side. */
export interface CallRow extends RowBase {
  readonly kind: 'call';
  readonly step: number;
  readonly index: number;
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly endedAt: string | null;
  readonly passages: number;
  readonly hits: number;
  readonly sources: readonly string[];
  readonly faults: readonly Fault[];
}

export type Row = NoteRow | StepRow | CallRow;

/** What a call was about, in one line: its queries, addresses and the like. */
export function subjectOf({ args }: Pick<CallRow, 'args'>): string {
  return Object.values(args).flat().map(String).join(' · ');
}

/** Whether a call brought nothing because something failed; that nothing fits is no failure. */
export function failed({ faults, passages, hits }: Pick<CallRow, 'faults' | 'passages' | 'hits'>): boolean {
  return passages + hits === 0 && faults.some(({ kind }) => kind !== 'empty');
}

/** Parts of a reply in the forms of models that we know, as a reader is told of them. */
const parts: Readonly<Record<string, string>> = { think: 'thinks', tool_call: 'asks', answer: 'answers' };
const opening = /<(think|tool_call|answer)>/g;
/** Also one that is still being written. */
const tag = /<\/?(?:think|tool_call|answer|cite)\b[^>]*(?:>|$)|<[/a-z_]*$/g;
const mostWords = 200;

/** What a model is at in the middle of a reply, in one line: the end of it, without the tags of its form. */
export function writingOf(reply: string): string {
  const last = [...reply.matchAll(opening)].at(-1);
  const words = reply.slice(last === undefined ? 0 : last.index + last[0].length).replace(tag, ' ');
  const line = words.replace(/\s+/g, ' ').trim().slice(-mostWords);
  const part = parts[last?.[1] ?? ''];
  return part === undefined ? line : `${part}: ${line}`;
}
