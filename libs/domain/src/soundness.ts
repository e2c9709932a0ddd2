import { createHash } from 'node:crypto';
import type { Claim } from './claims.ts';
import type { Report } from './report.ts';

/**
 * The first thing in which a report and its snapshots disagree, in words for a reader; null when every claim is proven.
 * Looks at every snapshot (do its bytes have the sha256 that the report names?) and then at every citation (does its
 * quote stand at its place?). No model takes part. Cost: a hash of each snapshot and a slice for each citation.
 * @param snapshotOf the bytes that are kept for a sha256
 */
export function unsoundnessOf(report: Report, snapshotOf: (sha256: string) => Uint8Array | undefined): string | null {
  const texts = new Map<string, string>();
  // A byte order mark is part of the text that offsets count.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (const { id, sha256 } of report.sources) {
    const bytes = snapshotOf(sha256);
    const actual = bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex');
    if (bytes === undefined || actual !== sha256) {
      const what = bytes === undefined ? 'is missing' : `was changed: its sha256 is ${actual}`;
      return `${claimsOn(report, sha256)}: snapshot ${sha256} of source ${id} ${what}`;
    }
    texts.set(id, decoder.decode(bytes));
  }
  return firstBadCitation(report, texts);
}

/** Names the claims that rest on a snapshot, for a message about it. */
export function claimsOn(report: Report, sha256: string): string {
  const ids = report.sources.filter((source) => source.sha256 === sha256).map(({ id }) => id);
  const resting = proofsOf(report).filter(({ citations }) => citations.some(({ source }) => ids.includes(source)));
  return resting.length === 0 ? 'no claim rests on it' : resting.map(({ name }) => name).join(', ');
}

function firstBadCitation(report: Report, texts: ReadonlyMap<string, string>): string | null {
  for (const { name, verdict, citations } of proofsOf(report)) {
    if (verdict === 'supported' && citations.length === 0) return `${name} is called supported but cites nothing`;
    for (const { source, start, end, quote } of citations) {
      const text = texts.get(source);
      if (text === undefined) return `${name} cites ${source}, which is no source`;
      if (quote.trim() === '') return `${name}: a citation of ${source} quotes nothing`;
      if (text.slice(start, end) !== quote)
        return `${name}: its quote is not what stands at ${start}-${end} of ${source}`;
    }
  }
  return null;
}

/** Everything in a report that is said to be proven. */
function proofsOf({ claims, output_citations }: Report): (Pick<Claim, 'verdict' | 'citations'> & { name: string })[] {
  return [
    ...claims.map(({ text, verdict, citations }, index) => ({ name: claimName(text, index), verdict, citations })),
    ...output_citations.map(({ path, ...proof }) => ({ name: `output field ${JSON.stringify(path)}`, ...proof })),
  ];
}

function claimName(text: string, index: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return `claim ${index + 1} ${JSON.stringify(line.length > 60 ? `${line.slice(0, 57)}...` : line)}`;
}
