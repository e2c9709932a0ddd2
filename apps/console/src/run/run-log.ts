import type { SentEvent } from '../api/sse.ts';
import type { CallRow, Fault, NoteRow, Row, StepRow } from './rows.ts';

export type RunStatus = 'queued' | 'running' | 'waiting' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** What a run has used so far. */
export interface Used {
  readonly steps: number;
  readonly calls: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

type Data = SentEvent['data'];

/**
 * A run as its events have told it so far, as rows of a timeline. Rows are replaced, never changed, so that whoever
 * draws them sees by identity which to draw anew. An event that came before changes nothing.
 */
export class RunLog {
  #last = 0;
  #status: RunStatus = 'queued';
  #startedAt: string | null = null;
  #endedAt: string | null = null;
  #used: Used = { steps: 0, calls: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
  readonly #rows: Row[] = [];
  /** Places of rows that are still to be completed, by step and call. */
  readonly #places = new Map<string, number>();
  readonly #sources = new Map<string, number>();

  /** Number of the last event. */
  get last(): number {
    return this.#last;
  }

  get status(): RunStatus {
    return this.#status;
  }

  get startedAt(): string | null {
    return this.#startedAt;
  }

  get endedAt(): string | null {
    return this.#endedAt;
  }

  get used(): Used {
    return this.#used;
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Addresses that were read, with the step that brought each first. */
  get sources(): ReadonlyMap<string, number> {
    return this.#sources;
  }

  get hasEnded(): boolean {
    return this.#endedAt !== null;
  }

  /** Cost O(1), but for the text that a model writes. */
  take({ id, type, data }: SentEvent): void {
    if (id === null) {
      if (type === 'delta') this.#write(number(data['step']), text(data['text']));
      return;
    }
    if (id <= this.#last) return;
    this.#last = id;
    this.#fold(type, data, { seq: id, at: text(data['at']) });
  }

  #fold(type: string, data: Data, stamp: Stamp): void {
    switch (type) {
      case 'run.started':
        this.#startedAt ??= stamp.at;
        this.#status = 'running';
        break;
      case 'run.waiting':
        this.#status = 'waiting';
        break;
      case 'step.started':
        this.#status = 'running';
        this.#begin(`${number(data['step'])}`, stepRow(number(data['step']), stamp));
        return;
      case 'model.completed':
        this.#complete(`${number(data['step'])}`, (row) => repliedStep(row, data, stamp));
        this.#count(data);
        return;
      case 'tool.started':
        this.#begin(placeOf(data), callRow(data, stamp));
        return;
      case 'tool.completed':
        this.#complete(placeOf(data), (row) => finishedCall(row, data, stamp));
        this.#found(data);
        return;
      case 'run.completed':
      case 'run.incomplete':
      case 'run.failed':
      case 'run.cancelled':
        this.#status = type.slice(4) as RunStatus; // as the cases say
        this.#endedAt = stamp.at;
        break;
    }
    const note = noteOf(type, data);
    if (note !== null) this.#rows.push({ kind: 'note', ...stamp, ...note });
  }

  #begin(place: string, row: Row): void {
    this.#places.set(place, this.#rows.length);
    this.#rows.push(row);
  }

  /** An event of an earlier release may complete what nothing began; it then has no row. */
  #complete(place: string, change: (row: Row) => Row): void {
    const at = this.#places.get(place);
    const row = at === undefined ? undefined : this.#rows[at];
    if (at !== undefined && row !== undefined) this.#rows[at] = change(row);
  }

  /** A new connection tells from the beginning what the step under way has written. */
  forgetWriting(): void {
    for (const [place, at] of this.#places) {
      const row = this.#rows[at];
      if (row?.kind === 'step' && row.writing !== '') this.#complete(place, () => ({ ...row, writing: '' }));
    }
  }

  #write(step: number, more: string): void {
    this.#complete(`${step}`, (row) => {
      if (row.kind !== 'step' || row.endedAt !== null) return row;
      return { ...row, writing: (row.writing + more).slice(-mostWriting) };
    });
  }

  #count(data: Data): void {
    const usage = record(data['usage']);
    this.#used = {
      steps: this.#used.steps + 1,
      calls: this.#used.calls + number(data['calls']),
      promptTokens: this.#used.promptTokens + number(usage['promptTokens']),
      cachedTokens: this.#used.cachedTokens + number(usage['cachedTokens']),
      completionTokens: this.#used.completionTokens + number(usage['completionTokens']),
    };
  }

  #found(data: Data): void {
    for (const uri of list(data['sources'])) {
      if (!this.#sources.has(String(uri))) this.#sources.set(String(uri), number(data['step']));
    }
  }
}

/** Of what a model writes, its end is kept: characters. */
const mostWriting = 20_000;

interface Stamp {
  readonly seq: number;
  readonly at: string;
}

const placeOf = (data: Data): string => `${number(data['step'])}.${number(data['index'])}`;

function stepRow(step: number, stamp: Stamp): StepRow {
  const none = { calls: 0, answered: false, promptTokens: 0, completionTokens: 0, writing: '' };
  return { kind: 'step', ...stamp, step, endedAt: null, ...none };
}

function repliedStep(row: Row, data: Data, { at }: Stamp): Row {
  const usage = record(data['usage']);
  return {
    ...(row as StepRow), // what stands at the place of a step
    endedAt: at,
    calls: number(data['calls']),
    answered: data['answered'] === true,
    promptTokens: number(usage['promptTokens']),
    completionTokens: number(usage['completionTokens']),
  };
}

function callRow(data: Data, stamp: Stamp): CallRow {
  const none = { endedAt: null, passages: 0, hits: 0, sources: [], faults: [] };
  const call = { step: number(data['step']), index: number(data['index']), tool: text(data['tool']) };
  return { kind: 'call', ...stamp, ...call, args: record(data['args']), ...none };
}

function finishedCall(row: Row, data: Data, { at }: Stamp): Row {
  return {
    ...(row as CallRow), // what stands at the place of a call
    endedAt: at,
    passages: number(data['passages']),
    hits: number(data['hits']),
    sources: list(data['sources']).map(String),
    faults: list(data['faults']).map((fault) => faultOf(record(fault))),
  };
}

function faultOf(fault: Data): Fault {
  return { label: text(fault['label']), kind: text(fault['kind']), message: text(fault['message']) };
}

/** What is said of events that are rows of their own; null for those that are told otherwise, or not known. */
function noteOf(type: string, data: Data): Pick<NoteRow, 'tone' | 'text'> | null {
  switch (type) {
    case 'run.accepted':
      return { tone: 'plain', text: 'Written down; nothing loses it now' };
    case 'run.started':
      return { tone: 'plain', text: 'A worker has begun' };
    case 'run.waiting':
      return { tone: 'warn', text: `The model has no place: asked again in ${number(data['seconds'])} s` };
    case 'context.compacted': {
      const [turns, kept] = [number(data['folded_turns']), number(data['kept_passages'])];
      return { tone: 'plain', text: `Context full: ${turns} turns folded, ${kept} passages kept` };
    }
    case 'budget.warning':
      return { tone: 'warn', text: `A limit asks for the answer now: ${text(data['reason'])}` };
    case 'loop.detected':
      return { tone: 'warn', text: `Going in circles (${text(data['sign'])}): ${circleWords(data)}` };
    case 'answer.checked':
      return checkNote(number(data['supported']), number(data['unsupported']));
    case 'output.checked':
      return outputNote(list(data['faults']).length);
    case 'report.completed':
      return { tone: 'good', text: `Report: ${number(data['claims'])} claims, ${number(data['supported'])} proven` };
    case 'run.completed':
      return { tone: 'good', text: 'Complete' };
    case 'run.incomplete':
      return { tone: 'warn', text: `Incomplete: ${text(data['message'])}` };
    case 'run.failed':
      return { tone: 'bad', text: `Failed: ${text(data['message'])}` };
    case 'run.cancelled':
      return { tone: 'warn', text: 'Cancelled; this is what it had found' };
    default:
      return null;
  }
}

const circleWords = (data: Data): string => (data['action'] === 'answer' ? 'the answer is demanded' : 'it was told so');

function checkNote(supported: number, unsupported: number): Pick<NoteRow, 'tone' | 'text'> {
  const text = `Quotations looked up: ${supported} claims proven, ${unsupported} without proof`;
  return { tone: unsupported === 0 ? 'good' : 'warn', text };
}

function outputNote(faults: number): Pick<NoteRow, 'tone' | 'text'> {
  if (faults === 0) return { tone: 'good', text: 'The output fits its schema' };
  return { tone: 'warn', text: `The output does not fit its schema: ${faults} faults` };
}

/* What an event holds is public and of our own making, but of whichever release wrote it. */

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function record(value: unknown): Data {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Data) : {}; // as just seen
}
