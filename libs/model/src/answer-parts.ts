/** Cuts the markdown of an answer into stretches that each stand or fall by their own quotations. */
import type { AnswerPart, DraftCitation } from '#domain';
import { hasWords, type Span, spansOf } from './answer-spans.ts';

/** A run of cite tags: `at` is the offset in the lifted text behind which they stood. */
interface CiteGroup {
  at: number;
  readonly citations: DraftCitation[];
}

/** A cite tag with its quote; one that is never closed ends with its line. */
const CITE = /<cite\b([^>]*)>(?:((?:(?!<cite\b)[\s\S])*?)<\/cite>|([^\n<]*))/g;
const SOURCE = /\bsource\s*=\s*["']?\s*([^"'\s>]+)/;
/** Punctuation behind a cite tag that belongs to the sentence before it. */
const CLOSING = /^(?:[.,;:!?)\]*_"”’]+(?=\s|$)|[。，、；：！？）」』]+)/;

/**
 * Each stretch before cite tags, each uncited sentence and each table row is a claim; headings, labels and rules are not.
 * The `text` of a part begins with the white space that stood before it, so that the parts joined with nothing between
 * give the answer without its cite tags. A code block ends with a line break, so that a mark may follow it.
 * @param answer markdown with `<cite source="s3">quote</cite>`
 * @returns empty when nothing but white space and tags was written. Cost O(characters).
 */
export function answerParts(answer: string): AnswerPart[] {
  const { text, groups } = liftCites(answer.trim());
  const spans = cutAt(text, groups);
  const parts: AnswerPart[] = [];
  for (const { start, end, claim, whole } of spans) {
    const citations = groups.filter(({ at }) => at > start && at <= end).flatMap((group) => group.citations);
    const lineBreak = whole && end === text.length ? '\n' : '';
    parts.push({ text: text.slice(start, end) + lineBreak, claim: claim || citations.length > 0, citations });
  }
  return parts;
}

/** Takes the cite tags out; white space before them goes, closing punctuation behind them moves in front. */
function liftCites(answer: string): { text: string; groups: CiteGroup[] } {
  const groups: CiteGroup[] = [];
  let text = '';
  let from = 0;
  const append = (between: string): void => {
    const last = groups.at(-1);
    const closing = last ? (CLOSING.exec(between)?.[0] ?? '') : '';
    text += closing;
    if (last && closing) last.at = text.length;
    text += between.slice(closing.length);
  };
  for (const match of answer.matchAll(CITE)) {
    append(answer.slice(from, match.index));
    text = text.trimEnd();
    from = match.index + match[0].length;
    const citation = citationOf(match[1] ?? '', match[2] ?? match[3] ?? '');
    const last = groups.at(-1);
    const group = last?.at === text.length ? last : { at: text.length, citations: [] };
    if (group !== last) groups.push(group);
    if (citation) group.citations.push(citation);
  }
  append(answer.slice(from).replaceAll('</cite>', ''));
  return { text: text.trimEnd(), groups };
}

/** Nothing when the tag names no source or quotes nothing: such a tag proves nothing. */
function citationOf(attributes: string, body: string): DraftCitation | undefined {
  const source = SOURCE.exec(attributes)?.[1];
  const quote = unquoted(body.trim());
  return source === undefined || quote === '' ? undefined : { source, quote };
}

/** Without the quotation marks that models like to put around it; what is inside is as verbatim as the whole. */
function unquoted(quote: string): string {
  return /^(?:"[^"]*"|“[^“”]*”)$/.test(quote) ? quote.slice(1, -1).trim() : quote;
}

/** A stretch with cite tags inside ends at them; a rest without a word stays with what is before it. */
function cutAt(text: string, groups: readonly CiteGroup[]): Span[] {
  const pieces: Span[] = [];
  let next = 0;
  for (const span of spansOf(text)) {
    let start = span.start;
    for (; (groups[next]?.at ?? Infinity) < span.end; next++) {
      const at = groups[next]?.at ?? 0;
      if (span.whole || at <= start) continue;
      pieces.push({ ...span, start, end: at });
      start = at;
    }
    const before = pieces.at(-1);
    const isRest = start > span.start && !hasWords(text.slice(start, span.end));
    if (isRest && before) pieces[pieces.length - 1] = { ...before, end: span.end };
    else pieces.push({ ...span, start });
  }
  return pieces;
}
