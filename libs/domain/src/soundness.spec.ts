import { describe, expect, it } from '@jest/globals';
import { citedText, contentsOf } from '../../../test/support/sealing.ts';
import type { Citation, Claim } from './claims.ts';
import type { Report } from './report.ts';
import { unsoundnessOf } from './soundness.ts';

const { report } = contentsOf();
const [sound] = report.claims;

function faultOf(claim: Partial<Claim>, text: string | null = citedText): string | null {
  const changed: Report = {
    ...report,
    claims: [{ text: '', verdict: 'supported', citations: [], ...sound, ...claim }],
  };
  return unsoundnessOf(changed, () => (text === null ? undefined : new TextEncoder().encode(text)));
}

function citing(changes: Partial<Citation>): Partial<Claim> {
  return { citations: (sound?.citations ?? []).map((citation) => ({ ...citation, ...changes })) };
}

describe('a report', () => {
  it('is sound when every quotation stands at its place, counted from a byte order mark on', () => {
    expect(faultOf({})).toBe(null);
  });

  it.each([
    ['a quote of other words', citing({ quote: 'keeps its lease' }), /^claim 1 "Silence costs the lease\.": its quote/],
    ['a quote one character further on', citing({ start: 0 }), /is not what stands at 0-/],
    ['a source that is none', citing({ source: 's9' }), /cites s9, which is no source$/],
    ['a quote of nothing', citing({ start: 3, end: 3, quote: '' }), /quotes nothing$/],
    ['support without a citation', { citations: [] }, /is called supported but cites nothing$/],
  ])('is not sound with %s', (_what, claim, fault) => {
    expect(faultOf(claim)).toMatch(fault);
  });

  it('is not sound with a wrong proof of a field of its output', () => {
    const proof = { path: '/cost', verdict: 'supported' as const, citations: sound?.citations ?? [] };
    const withField = (changes: object): Report => ({ ...report, output_citations: [{ ...proof, ...changes }] });
    const bytes = new TextEncoder().encode(citedText);
    expect(unsoundnessOf(withField({}), () => bytes)).toBe(null);
    const { citations = [] } = citing({ quote: 'x' });
    expect(unsoundnessOf(withField({ citations }), () => bytes)).toMatch(/^output field "\/cost": its quote/);
    expect(unsoundnessOf(withField({ citations: [] }), () => bytes)).toMatch(/called supported but cites nothing$/);
  });

  it('may hold a claim that it calls unsupported itself', () => {
    expect(faultOf({ verdict: 'unsupported', citations: [] })).toBe(null);
  });

  it.each([
    ['is missing', null, /^claim 1 "Silence costs the lease\.": snapshot [0-9a-f]{64} of source s1 is missing$/],
    [
      'was changed',
      `${citedText}!`,
      /^claim 1 "Silence.*: snapshot [0-9a-f]{64} of source s1 was changed: its sha256 is/,
    ],
  ])('is not sound when a snapshot %s: the claims that rest on it are named', (_what, text, fault) => {
    expect(faultOf({}, text)).toMatch(fault);
  });
});
