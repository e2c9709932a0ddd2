import type { ClientEvent } from './client.ts';

/** Where progress goes: one line that is rewritten on a terminal, plain lines elsewhere. */
export interface Progress {
  /** A state that the next one replaces. */
  status(text: string): void;
  /** A line that stays. */
  note(text: string): void;
  /** Clears the line under way; call it before anything else is printed. */
  end(): void;
}

/** The part of a stream that progress needs. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export const silentProgress: Progress = { status: () => {}, note: () => {}, end: () => {} };

/** Rewrites one line; a status that does not fit is cut. */
export function terminalProgress(out: ProgressOutput): Progress {
  const clear = '\r\u001b[2K';
  return {
    status: (text) => out.write(`${clear}${text.slice(0, Math.max(20, (out.columns ?? 80) - 1))}`),
    note: (text) => out.write(`${clear}${text}\n`),
    end: () => out.write(clear),
  };
}

/** Least time between two plain status lines that differ only in their numbers. */
const plainEveryMs = 2_000;

/** Writes each status as a line of its own; one that only counts on is left out for a while. */
export function plainProgress(out: ProgressOutput, now: () => number): Progress {
  let last = '';
  let writtenAt = Number.NEGATIVE_INFINITY;
  const note = (text: string): void => void out.write(`${text}\n`);
  const status = (text: string): void => {
    const kind = text.replace(/\d+/g, '#');
    if (kind === last && now() - writtenAt < plainEveryMs) return;
    last = kind;
    writtenAt = now();
    note(text);
  };
  return { status, note, end: () => {} };
}

/** What a run has shown of itself so far; folded from its events. */
interface Seen {
  readonly step: number;
  readonly sources: ReadonlySet<string>;
  readonly passages: number;
  readonly tokens: number;
}

/** Turns a run's events into progress: phase, step, tool, sources found, budget used. */
export class RunProgress {
  readonly #progress: Progress;
  readonly #maxSteps: number | null;
  #seen: Seen = { step: 0, sources: new Set(), passages: 0, tokens: 0 };

  constructor(progress: Progress, maxSteps: number | null) {
    this.#progress = progress;
    this.#maxSteps = maxSteps;
  }

  show({ type, data }: ClientEvent): void {
    this.#seen = look(this.#seen, type, data);
    const text = describe(type, data);
    if (text !== null) this.#progress.status(`${text} ${this.#tally()}`);
    for (const fault of faultsOf(type, data)) this.#progress.note(`  ${fault}`);
  }

  #tally(): string {
    const { step, sources, passages, tokens } = this.#seen;
    const steps = this.#maxSteps === null ? `step ${step + 1}` : `step ${step + 1}/${this.#maxSteps}`;
    const spent = tokens === 0 ? '' : `, ${tokens} tokens`;
    return `[${steps}, ${sources.size} sources, ${passages} passages${spent}]`;
  }
}

function look(seen: Seen, type: string, data: ClientEvent['data']): Seen {
  const step = typeof data['step'] === 'number' ? data['step'] : seen.step;
  if (type === 'tool.completed') {
    const sources = Array.isArray(data['sources']) ? data['sources'].map(String) : [];
    return {
      ...seen,
      step,
      sources: new Set([...seen.sources, ...sources]),
      passages: seen.passages + Number(data['passages'] ?? 0),
    };
  }
  if (type === 'model.completed') {
    const usage = (data['usage'] ?? {}) as { promptTokens?: number; completionTokens?: number };
    return { ...seen, step, tokens: seen.tokens + (usage.promptTokens ?? 0) + (usage.completionTokens ?? 0) };
  }
  return { ...seen, step };
}

function describe(type: string, data: ClientEvent['data']): string | null {
  switch (type) {
    case 'run.accepted':
      return 'accepted';
    case 'run.waiting':
      return `waiting for the model: ${String(data['seconds'])} s`;
    case 'step.started':
      return 'thinking';
    case 'tool.started':
      return `${String(data['tool'])} ${argumentsOf(data['args'])}`;
    case 'tool.completed':
      return `${String(data['tool'])} done${data['hits'] ? `, ${String(data['hits'])} pages named` : ''}`;
    case 'context.compacted':
      return `context full: ${String(data['folded_turns'])} turns folded, ${String(data['kept_passages'])} passages kept`;
    case 'loop.detected':
      return data['action'] === 'answer' ? 'going in circles: the answer is demanded' : 'going in circles: told so';
    case 'budget.warning':
      return `answering now: ${String(data['reason'])}`;
    case 'answer.checked':
      return data['unsupported'] === 0
        ? 'answer checked'
        : `answer checked: ${String(data['unsupported'])} claims without proof`;
    case 'report.completed':
      return `report with ${String(data['claims'])} claims`;
    default:
      return null;
  }
}

/** The queries or URLs of a call, shortened. */
function argumentsOf(args: unknown): string {
  const values = Object.values((args ?? {}) as Record<string, unknown>).flat();
  const text = values.map((value) => JSON.stringify(value)).join(' ');
  return text.length > 90 ? `${text.slice(0, 87)}...` : text;
}

function faultsOf(type: string, data: ClientEvent['data']): string[] {
  if (type !== 'tool.completed' || !Array.isArray(data['faults'])) return [];
  return (data['faults'] as { label?: string; kind?: string; message?: string }[])
    .filter(({ kind }) => kind !== 'empty')
    .map(({ label, message }) => `${label ?? ''}: ${message ?? ''}`);
}
