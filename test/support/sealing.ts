/** What bundles are made of, and a key to seal them with. */
import { generateKeyPairSync } from 'node:crypto';
import type { BundleContents } from '#contracts';
import type { Report } from '#domain';
import { answered, asked, observationOf, reportOf, requestOf, searchOf, sha256Of } from './research.ts';

export const signingKey = generateKeyPairSync('ed25519').privateKey;

/** The only text that the report of {@link contentsOf} cites. */
export const citedText = '\ufeffA worker that falls silent – whatever the reason – loses its lease after ten seconds.';
const quote = 'loses its lease after ten seconds';

/** What the record knows of a run that searched once and quoted what it found. */
export function contentsOf(runId = 'run_1', changes: Partial<BundleContents> = {}): BundleContents {
  const start = citedText.indexOf(quote);
  const [source] = observationOf(citedText).sources;
  const { uri = '', title = '', sha256 = '', bytes = 0, fetchedAt = '' } = source ?? {};
  const citation = { source: 's1', start, end: start + quote.length, quote };
  const report: Report = {
    ...reportOf(runId),
    claims: [{ text: 'Silence costs the lease.', verdict: 'supported', citations: [citation] }],
    sources: [{ id: 's1', uri, title, sha256, bytes, fetched_at: fetchedAt }],
  };
  const call = searchOf('lease');
  const outcomes = [{ call, observation: observationOf(citedText) }];
  const part = { text: 'Silence costs the lease.', claim: true, citations: [{ source: sha256, quote }] };
  return {
    report,
    request: requestOf({ metadata: { team: 'a' }, preface: 'Be brief.', echo: { input: 'as the team put it' } }),
    events: [asked(call), { kind: 'tools-returned', outcomes }, answered(part)],
    lost: { modelCalls: 1, promptTokens: 7 },
    endedAt: '2026-01-31T00:00:05.250Z',
    snapshots: new Map([[sha256Of(citedText), citedText]]),
    ...changes,
  };
}
