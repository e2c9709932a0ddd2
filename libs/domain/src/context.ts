import { hitTokens, passageTokens } from './clip.ts';
import type { Digest, Lookup, Turn } from './conversation.ts';
import { tokenWeight } from './estimate.ts';
import { type Evidence, rankEvidence } from './evidence-rank.ts';
import type { Passage, Section, SourceDocument } from './observation.ts';
import { numberSources } from './sources.ts';
import { unreadPages } from './unread.ts';

/** Which of a run's turns its model is shown. */
export interface Context {
  /** Stands for the turns between the question and `from`; null while nothing was left out. */
  readonly digest: Digest | null;
  /** The first turn behind the question, or behind the digest. */
  readonly from: number;
  /** What the server said of the last prompt of this context. */
  readonly measured: Measured | null;
}

/** The first `turns` turns of a context, as a prompt and the reply that ended them, were `tokens` tokens. */
export interface Measured {
  readonly turns: number;
  readonly tokens: number;
}

export const wholeContext: Context = { digest: null, from: 1, measured: null };

/** A place in a snapshot that a digest keeps. */
export type KeptPlace = Pick<Passage, 'sha256' | 'start' | 'end'>;

/** How a context is to be made smaller. */
export interface Compaction {
  /** Turns before this one, but for the question, make room for a digest. */
  readonly from: number;
  readonly kept: readonly KeptPlace[];
}

/** Part of the window that the newest turns keep, word for word, and that the evidence of the others may have. */
const recentShare = 0.25;
const evidenceShare = 0.25;

/** A compaction that leaves more than this of the context is not worth its cost: all that servers cached is lost. */
const mostLeft = 0.8;

/** Lookups that a digest lists. */
const mostLookups = 80;

/** What the model is shown: the question, and all that followed or a digest of it. Append-only until it is compacted. */
export function shownTurns(turns: readonly Turn[], { digest, from }: Context): readonly Turn[] {
  return digest === null ? turns : [...turns.slice(0, 1), digest, ...turns.slice(from)];
}

/**
 * Decides what a full context keeps: the question, the newest turns, and of what was read before, the passages that
 * the question or the model's own words speak of most. The newest results are never among what goes.
 * @param turns all turns of the run, whatever its context holds now
 * @param promptTokens size of the prompt that this context now comes to
 * @returns null where that would free too little. Cost O(words of the run's evidence): about 0.1 ms a passage
 */
export function planCompaction(
  turns: readonly Turn[],
  context: Context,
  promptTokens: number,
  windowTokens: number,
): Compaction | null {
  const sizes = turns.map((turn) => turnTokens(turn));
  const shown = shownTurns(turns, context).reduce((sum, turn) => sum + turnTokens(turn), 0);
  // The estimate of a turn may be far from what the model's tokenizer makes of it; their ratio is known.
  const window = (windowTokens * shown) / Math.max(1, promptTokens);
  const from = recentFrom(turns, sizes, window * recentShare);
  if (from <= context.from) return null;
  const kept = fitting(rankEvidence(turns.slice(0, from)), turns, window * evidenceShare);
  const digest = digestOf(turns, { from, kept });
  const rest = [...sizes.slice(0, 1), turnTokens(digest), ...sizes.slice(from)].reduce((sum, size) => sum + size, 0);
  return rest > shown * mostLeft ? null : { from, kept };
}

/** The digest that a compaction decided on. */
export function digestOf(turns: readonly Turn[], { from, kept }: Compaction): Digest {
  const before = turns.slice(0, from);
  const passages = new Map<string, Passage>();
  const lookups = new Map<string, Lookup>();
  for (const turn of before) {
    if (turn.role !== 'tools') continue;
    for (const { call, observation } of turn.results) {
      for (const section of observation.sections) {
        for (const passage of section.passages) passages.set(placeOf(passage), passage);
        lookups.delete(`${call.tool} ${section.label}`);
        lookups.set(`${call.tool} ${section.label}`, lookupOf(call.tool, section));
      }
    }
  }
  const unread = unreadPages(turns, from);
  return {
    role: 'digest',
    lookups: [...lookups.values()].slice(-mostLookups),
    passages: kept.flatMap((place) => passages.get(placeOf(place)) ?? []),
    sources: [...numberSources(before).values()].map(({ id: _, ...source }) => source),
    ...(unread.length === 0 ? {} : { unread }),
  };
}

function lookupOf(tool: string, { label, passages, hits, fault }: Section): Lookup {
  const named = hits === undefined ? {} : { hits: hits.length };
  return { tool, label, passages: passages.length, ...named, ...(fault ? { fault: fault.kind } : {}) };
}

/** Where the newest turns begin: at a model's turn, not behind the one that asked for the newest results. */
function recentFrom(turns: readonly Turn[], sizes: readonly number[], room: number): number {
  const newest = turns.findLastIndex(({ role }) => role === 'tools');
  let from = turns.findLastIndex(({ role }, index) => role === 'model' && (newest < 0 || index < newest));
  let size = sizes.slice(from).reduce((sum, one) => sum + one, 0);
  for (let index = from - 1; index > 0; index--) {
    size += sizes[index] ?? 0;
    if (size > room) break;
    if (turns[index]?.role === 'model') from = index;
  }
  return from;
}

/** The best evidence that fits, in order of source and place, so that it reads as its sources do. */
function fitting(ranked: readonly Evidence[], turns: readonly Turn[], room: number): KeptPlace[] {
  const sources = new Map<string, SourceDocument>(numberSources(turns));
  const kept: Evidence[] = [];
  let left = room;
  for (const evidence of ranked) {
    const cost = passageTokens(evidence.passage, sources.get(evidence.passage.sha256));
    if (cost > left || kept.some((other) => repeats(evidence, other))) continue;
    kept.push(evidence);
    left -= cost;
  }
  const order = [...sources.keys()];
  return kept
    .map(({ passage: { sha256, start, end } }) => ({ sha256, start, end }))
    .toSorted((a, b) => order.indexOf(a.sha256) - order.indexOf(b.sha256) || a.start - b.start);
}

function repeats(one: Evidence, other: Evidence): boolean {
  const { passage: a } = one;
  const { passage: b } = other;
  return (a.sha256 === b.sha256 && a.start < b.end && b.start < a.end) || a.text === b.text;
}

function placeOf({ sha256, start, end }: KeptPlace): string {
  return `${sha256}:${start}-${end}`;
}

const sizesOfTurns = new WeakMap<Turn, number>();

/** Estimated tokens of a turn; computed once for each. */
function turnTokens(turn: Turn): number {
  const known = sizesOfTurns.get(turn);
  if (known !== undefined) return known;
  const size = measureTurn(turn);
  sizesOfTurns.set(turn, size);
  return size;
}

function measureTurn(turn: Turn): number {
  switch (turn.role) {
    case 'question':
    case 'notice':
    case 'model':
      return tokenWeight(turn.text);
    case 'order':
      return tokenWeight(JSON.stringify(turn));
    case 'digest':
      return (
        evidenceTokens(turn.passages, turn.sources) + tokenWeight(JSON.stringify([turn.lookups, turn.unread ?? []]))
      );
    case 'tools':
      return turn.results.reduce((sum, { observation }) => {
        const words = observation.sections.map(({ label, fault }) => `${label}${fault?.message ?? ''}`).join('');
        const passages = observation.sections.flatMap((section) => section.passages);
        const hits = observation.sections.flatMap((section) => section.hits ?? []);
        const pointers = hits.reduce((all, hit) => all + hitTokens(hit), 0);
        return sum + tokenWeight(words) + evidenceTokens(passages, observation.sources) + pointers;
      }, 0);
  }
}

function evidenceTokens(passages: readonly Passage[], sources: readonly SourceDocument[]): number {
  const named = new Map(sources.map((source) => [source.sha256, source]));
  return passages.reduce((sum, passage) => sum + passageTokens(passage, named.get(passage.sha256)), 0);
}
