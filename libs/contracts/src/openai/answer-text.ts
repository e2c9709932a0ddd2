import { claimSpans, type Report, type Span } from '#domain';
import type { OutputText, UrlCitation } from './response.ts';
import { spannedJson } from './spanned-json.ts';

/**
 * What a response says: the answer with a citation for each proof of a claim, or where the object that was asked for is
 * there, its JSON with one for each proof of a field.
 */
export function answerText(report: Report): OutputText {
  if (report.output === null) {
    const spans = claimSpans(report);
    return textOf(
      report,
      report.answer,
      report.claims.map(({ citations }, index) => ({ citations, span: spans[index] ?? null })),
    );
  }
  const { text, spans } = spannedJson(report.output);
  const proofs = report.output_citations.map(({ path, citations }) => ({ citations, span: spans.get(path) ?? null }));
  return textOf(report, text, proofs);
}

interface Proof {
  readonly citations: Report['claims'][number]['citations'];
  readonly span: Span | null;
}

function textOf({ sources }: Report, text: string, proofs: readonly Proof[]): OutputText {
  const known = new Map(sources.map((source) => [source.id, source]));
  const point = codePoints(text);
  const annotations = proofs.flatMap(({ citations, span }) => {
    const cited = new Set(citations.map(({ source }) => source));
    return [...cited].flatMap((id): UrlCitation[] => {
      const source = known.get(id);
      if (source === undefined || span === null) return [];
      const [start_index, end_index] = [point(span.start), point(span.end)];
      return [{ type: 'url_citation', start_index, end_index, url: source.uri, title: source.title }];
    });
  });
  return { type: 'output_text', text, annotations, logprobs: [] };
}

/**
 * Code points before an offset in UTF-16 code units: the protocol's own examples slice by them. Each look goes on from
 * the one before where it can.
 */
function codePoints(text: string): (offset: number) => number {
  let [at, points] = [0, 0];
  return (offset) => {
    if (offset < at) [at, points] = [0, 0];
    for (; at < offset; points += 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    return points;
  };
}
