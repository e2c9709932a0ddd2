import type { ToolOutcome } from './conversation.ts';
import { tokenWeight } from './estimate.ts';
import type { Observation, Passage, Section, SourceDocument } from './observation.ts';

/** What a passage costs beside its words: its tags and the names of its fields. */
const frameTokens = 30;

/** A rest of a passage shorter than this is not worth its frame. */
const leastCharacters = 200;

/** Part of the room that notices beside the results may use. */
const forNotices = 0.1;

/**
 * The results of one step as they enter its run. The calls of a reply share the room, so that however many there are, the
 * reserve that was kept for them is enough: the best passages of each query stay, the last of them cut if need be, and
 * each section says how many were left out.
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

function clip(observation: Observation, tokens: number): Observation {
  const sources = new Map(observation.sources.map((source) => [source.sha256, source]));
  const costOf = (passage: Passage) => passageTokens(passage, sources.get(passage.sha256));
  const kept = new Map<Passage, Passage>();
  let left = tokens - observation.sections.reduce((sum, section) => sum + sectionTokens(section), 0);
  for (const passage of bestFirst(observation.sections)) {
    const cost = costOf(passage);
    if (cost > left) {
      const cut = cutTo(passage, left - (cost - tokenWeight(passage.text)));
      if (cut !== null) kept.set(passage, cut);
      break;
    }
    kept.set(passage, passage);
    left -= cost;
  }
  const sections = observation.sections.map((section) => keepOf(section, kept));
  return { sections, sources: sourcesOf(observation, kept) };
}

function sectionTokens({ label, fault }: Section): number {
  return tokenWeight(label) + tokenWeight(fault?.message ?? '') + frameTokens;
}

/** The first choice of each section, then the second of each, and so on. */
function bestFirst(sections: readonly Section[]): Passage[] {
  const ranked = sections.map(({ passages }) => passages.toSorted((a, b) => b.score - a.score));
  const deepest = Math.max(0, ...ranked.map((passages) => passages.length));
  return Array.from({ length: deepest }, (_, rank) => ranked.flatMap((passages) => passages[rank] ?? [])).flat();
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

function keepOf(section: Section, kept: ReadonlyMap<Passage, Passage>): Section {
  const passages = section.passages.flatMap((passage) => kept.get(passage) ?? []);
  const omitted = section.passages.length - passages.length;
  return { ...section, passages, ...(omitted === 0 ? {} : { omitted }) };
}

/** Without the documents of which nothing is left. */
function sourcesOf({ sections, sources }: Observation, kept: ReadonlyMap<Passage, Passage>): SourceDocument[] {
  const all = sections.flatMap(({ passages }) => passages);
  const shown = new Set(all.filter((passage) => kept.has(passage)).map(({ sha256 }) => sha256));
  const hidden = new Set(all.map(({ sha256 }) => sha256).filter((sha256) => !shown.has(sha256)));
  return sources.filter(({ sha256 }) => !hidden.has(sha256));
}
