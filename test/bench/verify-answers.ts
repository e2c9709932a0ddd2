import { type DraftCitation, type Evidence, verifyAnswer } from '#domain';
import { prose } from './loop-steps.ts';
import { percentile, type Row, round } from './result.ts';

const sources = 50;
const sourceCharacters = 100_000;
const claims = 100;
const rounds = 15;

/** How the quotations of an answer relate to the snapshots that they are looked up in. */
const quotations: Readonly<Record<string, (text: string, at: number) => string>> = {
  'word for word': (text, at) => text.slice(at, at + 200),
  'with other white space': (text, at) => text.slice(at, at + 200).replaceAll(' ', ' \n'),
  'of nobody': (text, at) => `${text.slice(at, at + 200)} and more`,
};

/** Verification of a report of 100 claims against 50 sources of 100 KB. */
export function verifyRows(): Row[] {
  const texts = Array.from({ length: sources }, (_, i) => prose(sourceCharacters, i + 1));
  const documents = texts.map((_, i) => {
    const uri = `https://example.org/${i}`;
    return { id: `s${i + 1}`, uri, title: 'A page', sha256: `${i}`, bytes: sourceCharacters, fetchedAt: '' };
  });
  const evidence: Evidence = {
    sources: new Map(documents.map((document) => [document.sha256, document])),
    snapshots: new Map(texts.map((text, i) => [`${i}`, text])),
  };
  return Object.entries(quotations).map(([how, quoteOf]) => {
    const draft = Array.from({ length: claims }, (_, claim) => {
      const source = claim % sources;
      const quote = quoteOf(texts[source] ?? '', (claim * 997) % (sourceCharacters - 300));
      const citations: DraftCitation[] = [{ source: `s${source + 1}`, quote }];
      return { text: `Claim ${claim}.`, claim: true, citations };
    });
    const times: number[] = [];
    let supported = 0;
    for (let time = 0; time < rounds; time++) {
      const startedAt = performance.now();
      const verified = verifyAnswer({ draft }, evidence);
      times.push(performance.now() - startedAt);
      supported = verified.claims.filter(({ verdict }) => verdict === 'supported').length;
    }
    const p95 = round(percentile(times, 0.95), 1);
    return {
      what: 'verify 100 claims against 50 sources of 100 KB',
      quotes: how,
      supported,
      p95_ms: p95,
      target_ms: 200,
    };
  });
}
