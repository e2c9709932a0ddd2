import type { ToolOutcome } from './conversation.ts';
import { tokenWeight } from './estimate.ts';
import type { Observation, Passage, SearchHit, Section, SourceDocument } from './observation.ts';

/** What a passage or hit costs beside its words: its tags and the names of its fields. */
const frameTokens = 30;

/** A rest of a passage shorter than this is not worth its frame. */
const leastCharacters = 200;

/** Part of the room that notices beside the results may use. */
const forNotices = 0.1;

/**
 * The results of one step as they enter its run. The calls of a reply share the room, so that however many there are, the
 * reserve that was kept for them is enough: the best passages and hits of each query stay, the last passage cut if need be
 * and no hit ever, and each section says how many were left out.
 * @param tokens room for all of them; 0 for no limit
 */
export function clipOutcomes(outcomes: readonly ToolOutcome[], tokens: number): readonly ToolOutcome[] {
  if (tokens === 0 || outcomes.length === 0) return outcomes;
  const share = (tokens * (1 - forNotices)) / outcomes.length;
  return outcomes.map((outcome) => ({ ...outcome, observation: clip(outcome.observation, share) }));
}

/** Estimated tokens of one passage as a model is shown it. */
export function passageTokens({ text, headings }: Passage, source: SourceDocument | undefined): number {
  const frame = `${source?.title}${source?.uri}${headings.join(' > ')}`;
  return tokenWeight(text) + tokenWeight(frame) + frameTokens;
}

/** Estimated tokens of one hit as a model is shown it. */
export function hitTokens({ url, title, snippet, published, providers, work }: SearchHit): number {
  const scholarly = work === undefined ? [] : [...work.authors, work.venue, work.doi, work.pdfUrl];
  return tokenWeight([url, title, snippet, published, ...providers, ...scholarly].join(' ')) + frameTokens;
}

/** What may stay of an observation: whole, in part where it is a passage, or not at all. */
type Kept = ReadonlyMap<Passage | SearchHit, Passage | SearchHit>;

function clip(observation: Observation, tokens: number): Observation {
  const kept = keep(observation, tokens);
  const sections = observation.sections.map((section) => keepOf(section, kept));
  return { ...observation, sections, sources: sourcesOf(observation, kept) };
}

function keep({ sections, sources }: Observation, tokens: number): Kept {
  const named = new Map(sources.map((source) => [source.sha256, source]));
  const kept = new Map<Passage | SearchHit, Passage | SearchHit>();
  let left = tokens - sections.reduce((sum, section) => sum + sectionTokens(section), 0);
  for (const found of bestFirst(sections)) {
    const cost = isPassage(found) ? passageTokens(found, named.get(found.sha256)) : hitTokens(found);
    if (cost <= left) {
      kept.set(found, found);
      left -= cost;
    } else if (isPassage(found)) {
      const cut = cutTo(found, left - (cost - tokenWeight(found.text)));
      if (cut !== null) kept.set(found, cut);
      break;
    }
  }
  return kept;
}

function isPassage(found: Passage | SearchHit): found is Passage {
  return 'sha256' in found;
}

function sectionTokens({ label, fault }: Section): number {
  return tokenWeight(label) + tokenWeight(fault?.message ?? '') + frameTokens;
}

/** The first choice of each section, then the second of each, and so on. */
function bestFirst(sections: readonly Section[]): (Passage | SearchHit)[] {
  const passages = sections.map((section) => section.passages.toSorted((a, b) => b.score - a.score));
  const ranked: readonly (readonly (Passage | SearchHit)[])[] = [...passages, ...sections.map(({ hits = [] }) => hits)];
  const deepest = Math.max(0, ...ranked.map((found) => found.length));
  return Array.from({ length: deepest }, (_, rank) => ranked.flatMap((found) => found[rank] ?? [])).flat();
}

/** The beginning of a passage, up to the last white space that fits; null where that is too little. */
function cutTo(passage: Passage, tokens: number): Passage | null {
  const { text, start } = passage;
  // Never more characters than tokens allow at the densest, and never half a character.
  const most = Math.floor((text.length * tokens) / Math.max(1, tokenWeight(text)));
  if (most < leastCharacters) return null;
  const border = text.slice(0, most).search(/\s\S*$/);
  const end = border >= leastCharacters / 2 ? border : most - (isHighSurrogate(text, most - 1) ? 1 : 0);
  return { ...passage, end: start + end, text: text.slice(0, end) };
}

function isHighSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xdc00;
}

function keepOf(section: Section, kept: Kept): Section {
  const passages = section.passages.flatMap((passage) => kept.get(passage) ?? []).filter(isPassage);
  const hits = section.hits?.filter((hit) => kept.has(hit));
  const omitted = section.passages.length - passages.length + (section.hits?.length ?? 0) - (hits?.length ?? 0);
  return { ...section, passages, ...(hits && { hits }), ...(omitted === 0 ? {} : { omitted }) };
}

/** Without the documents of which nothing is left. */
function sourcesOf({ sections, sources }: Observation, kept: Kept): SourceDocument[] {
  const all = sections.flatMap(({ passages }) => passages);
  const shown = new Set(all.filter((passage) => kept.has(passage)).map(({ sha256 }) => sha256));
  const hidden = new Set(all.map(({ sha256 }) => sha256).filter((sha256) => !shown.has(sha256)));
  return sources.filter(({ sha256 }) => !hidden.has(sha256));
}
