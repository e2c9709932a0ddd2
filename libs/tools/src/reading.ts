import { type Choice, locateQuotes, type ModelUsage, type Passage, type ReadingUsage, tokenWeight } from '#domain';
import { ArgosyError } from '#errors';
import type { Opened } from './pages.ts';
import type { FittingSpan } from './text/fit.ts';
import type { ReadingGrant, ToolContext } from './tool.ts';

/** One page as a model is to read it. */
export interface PageReading extends Pick<ReadingGrant, 'model' | 'profile'> {
  readonly goal: string;
  readonly title: string;
  /** What is shown of the page, in its order. */
  readonly parts: readonly string[];
  readonly maxCompletionTokens: number;
  /** Same for no two readings. */
  readonly session: string;
}

/** Has pages read by models, which copy out what serves a goal. Nothing that it says is believed: quotations are looked up. */
export interface PageReader {
  /** Size of the prompt; `basis` says how it is known. @throws ArgosyError when the model is not here */
  count(reading: PageReading): Promise<{ readonly tokens: number; readonly basis: string }>;
  /** One model call. @throws ArgosyError when it came to nothing, or `signal` fired */
  read(
    reading: PageReading,
    signal: AbortSignal,
  ): Promise<{ readonly quotes: readonly string[]; readonly usage: ModelUsage }>;
}

/** The passages of a page that were chosen, in its order; `chosen` is absent where no model reads pages. */
export interface Chosen {
  readonly passages: readonly Passage[];
  readonly chosen?: Choice;
}

/** Passages returned of one page. */
const PASSAGES = 8;

/** Passages of a long page among which those are chosen that the model is shown. */
export const CANDIDATES = 400;

/** Longest that the model may take for one page: behind that, its words choose. */
const READ_MS = 30_000;

/** An estimate may be short by so much: code and tables have more tokens than words of the same length. */
const DOUBT = 1.5;

/** Tries to cut what is shown of a page to what a prompt may have. */
const CUTS = 4;

const tooSlow = 'the model was not done with it in time';

export interface ReadingsParts {
  /** Null where no model is here. */
  readonly reader: PageReader | null;
  /** Told why a model could not be asked: the operator's affair, not the run's. */
  readonly onFault: (message: string) => void;
  /** Longest for one page. Default 30,000. */
  readonly readMs?: number;
}

/** The readings of one call: chooses the passages of its pages, by the model as far as the run grants it, else by words. */
export class Readings {
  readonly #parts: ReadingsParts;
  readonly #context: ToolContext;
  #begun = 0;
  #usage: ReadingUsage | undefined;

  constructor(parts: ReadingsParts, context: ToolContext) {
    this.#parts = parts;
    this.#context = context;
  }

  /** What they have cost; undefined where no model was asked. */
  get usage(): ReadingUsage | undefined {
    return this.#usage;
  }

  /**
   * @param fitting the spans of the page that fit the goal, in its order, at most {@link CANDIDATES}
   * @param late fires when nobody waits for the page any more; words choose then
   * @throws what the model threw when the call's own signal fired
   */
  async choose(opened: Opened, goal: string, fitting: readonly FittingSpan[], late: AbortSignal): Promise<Chosen> {
    const byWords = bestOf(fitting, PASSAGES).map((span) => passageOf(opened, span, span.score));
    const { reading: grant } = this.#context;
    if (grant === null) return { passages: byWords };
    const quotes = await this.#quotes(opened, { goal, fitting, grant, late });
    if (typeof quotes === 'string') return { passages: byWords, chosen: { by: 'words', because: quotes } };
    const passages = located(opened, quotes);
    if (passages.length > 0) return { passages, chosen: { by: 'model' } };
    const because =
      quotes.length === 0
        ? 'the model that read the page found nothing in it for this goal'
        : 'nothing that the model copied out stands on the page word for word';
    return { passages: byWords, chosen: { by: 'words', because } };
  }

  /** @returns why not, where the model did not read it */
  async #quotes(opened: Opened, task: Task): Promise<readonly string[] | string> {
    const { reader, readMs = READ_MS } = this.#parts;
    if (reader === null) return 'no model is configured for the tools';
    if (this.#begun >= task.grant.pages) return "the run's budget has no room for the model to read it";
    this.#begun += 1;
    const session = `${this.#context.callId}-${this.#begun}`;
    const slow = AbortSignal.timeout(readMs);
    const signal = AbortSignal.any([this.#context.signal, task.late, slow]);
    let asked = 0;
    try {
      const fit = await fitted(reader, opened, { ...task, session });
      if (fit === null) return 'it could not be cut to what the model may be shown';
      if (signal.aborted && !this.#context.signal.aborted) return tooSlow;
      asked = fit.tokens;
      const { quotes, usage } = await reader.read(fit.reading, signal);
      this.#spend(usage);
      return quotes;
    } catch (error) {
      if (this.#context.signal.aborted || !(error instanceof ArgosyError)) throw error;
      if (!signal.aborted) {
        this.#parts.onFault(error.message);
        return 'the model could not be asked';
      }
      // It was at work until now, and nobody says what that came to: never less than it was.
      const completionTokens = task.grant.replyTokens;
      if (asked > 0) this.#spend({ promptTokens: asked, cachedTokens: 0, completionTokens, estimated: true });
      return tooSlow;
    }
  }

  #spend(usage: ModelUsage): void {
    const before = this.#usage ?? { calls: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
    this.#usage = {
      ...before,
      calls: before.calls + 1,
      promptTokens: before.promptTokens + usage.promptTokens,
      cachedTokens: before.cachedTokens + usage.cachedTokens,
      completionTokens: before.completionTokens + usage.completionTokens,
      ...(usage.estimated ? { estimated: true as const } : {}),
      ...(usage.gpuMs === undefined ? {} : { gpuMs: (before.gpuMs ?? 0) + usage.gpuMs }),
    };
  }
}

interface Task {
  readonly goal: string;
  readonly fitting: readonly FittingSpan[];
  readonly grant: ReadingGrant;
  readonly late: AbortSignal;
}

/** As much of the page as the prompt may hold, the parts that fit the goal best; null where not even little fits. */
async function fitted(
  reader: PageReader,
  { source, page }: Opened,
  { goal, fitting, grant, session }: Task & { readonly session: string },
): Promise<{ readonly reading: PageReading; readonly tokens: number } | null> {
  const { model, profile, promptTokens, replyTokens: maxCompletionTokens } = grant;
  let room = promptTokens / DOUBT;
  for (let cut = 0; cut < CUTS; cut++) {
    const parts = partsWithin(page.text, fitting, room);
    const reading = { model, profile, goal, title: source.title, parts, maxCompletionTokens, session };
    const { tokens, basis } = await reader.count(reading);
    const most = basis === 'estimate' ? tokens * DOUBT : tokens;
    if (parts.length > 0 && most <= promptTokens) return { reading, tokens: Math.ceil(most) };
    room *= Math.min(0.8, (0.9 * promptTokens) / most);
  }
  return null;
}

/** The whole text where it fits, else the spans that fit best, as many as there is room for, in page order. */
function partsWithin(text: string, fitting: readonly FittingSpan[], tokens: number): string[] {
  if (tokenWeight(text) <= tokens) return [text];
  let left = tokens;
  const shown = fitting
    .toSorted(byScore)
    .filter(({ start, end }) => {
      const weight = tokenWeight(text.slice(start, end));
      if (weight > left) return false;
      left -= weight;
      return true;
    })
    .toSorted((a, b) => a.start - b.start);
  return inOnePiece(text, shown).map(({ start, end }) => text.slice(start, end));
}

/** Spans with nothing but white space between them belong together: a quotation may go across their border. */
function inOnePiece(text: string, spans: readonly FittingSpan[]): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  for (const { start, end } of spans) {
    const before = pieces.at(-1);
    if (before && text.slice(before.end, start).trim() === '') before.end = end;
    else pieces.push({ start, end });
  }
  return pieces;
}

function byScore(a: FittingSpan, b: FittingSpan): number {
  return b.score - a.score || a.start - b.start;
}

function bestOf(fitting: readonly FittingSpan[], limit: number): FittingSpan[] {
  return fitting
    .toSorted(byScore)
    .slice(0, limit)
    .sort((a, b) => a.start - b.start);
}

/** What stands on the page of what was copied out of it, in its order. Of quotations that overlap, the first counts. */
function located(opened: Opened, quotes: readonly string[]): Passage[] {
  const places: { start: number; end: number; score: number }[] = [];
  for (const { start, end } of locateQuotes(quotes.filter(isOfUse), opened.page.text)) {
    const overlaps = places.some((place) => start < place.end && place.start < end);
    if (!overlaps && places.length < PASSAGES) places.push({ start, end, score: PASSAGES - places.length });
  }
  return places.sort((a, b) => a.start - b.start).map((place) => passageOf(opened, place, place.score));
}

/** A word or two stand anywhere. */
const LEAST_CHARACTERS = 12;

function isOfUse(quote: string): boolean {
  return quote.length >= LEAST_CHARACTERS;
}

function passageOf({ source, page }: Opened, { start, end }: { start: number; end: number }, score: number): Passage {
  const headings = page.spans.find((span) => start < span.end && span.start <= start)?.headings ?? [];
  return { sha256: source.sha256, start, end, text: page.text.slice(start, end), headings, score };
}
