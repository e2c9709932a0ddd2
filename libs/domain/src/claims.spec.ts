import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { observationOf, searchOf, sha256Of } from '../../../test/support/research.ts';
import { citedHashes, locate, verifyAnswer } from './claims.ts';
import type { AnswerPart, DraftCitation, Turn } from './conversation.ts';
import { numberSources } from './sources.ts';

const cite = (quote: string, at: { start?: number; end?: number } = {}): DraftCitation => ({
  source: 's1',
  quote,
  ...at,
});

describe('locate', () => {
  const snapshot = 'A lock expires. Renew it.  A lock expires.';

  it('finds the first place where a quotation stands exactly', () => {
    expect(locate(cite('A lock expires.'), snapshot)).toEqual({ start: 0, end: 15, quote: 'A lock expires.' });
  });

  it('keeps the offsets of the author where they are right', () => {
    const place = { start: 27, end: 42, quote: 'A lock expires.' };
    expect(locate(cite('A lock expires.', { start: 27, end: 42 }), snapshot)).toEqual(place);
  });

  it.each([
    [1, 16],
    [-15, -1],
    [0, 9999],
    [Number.NaN, 15],
    [900, 915],
  ])('looks the text up when the offsets %d to %d are wrong', (start, end) => {
    expect(locate(cite('A lock expires.', { start, end }), snapshot)).toEqual({
      start: 0,
      end: 15,
      quote: 'A lock expires.',
    });
  });

  it('takes no offsets from the end of a text or beyond it, even where they slice the quotation', () => {
    expect(locate(cite('end', { start: -3, end: 6 }), 'at end')).toEqual({ start: 3, end: 6, quote: 'end' });
    expect(locate(cite('end', { start: 3, end: 99 }), 'at end')).toEqual({ start: 3, end: 6, quote: 'end' });
  });

  it('folds white space, and quotes the snapshot in its own characters', () => {
    const text = 'So:\n\n  Renew\u00a0the\n\tlock   before it expires. ';
    const place = locate(cite(' Renew the lock before it\nexpires.'), text);
    expect(place?.quote).toBe('Renew\u00a0the\n\tlock   before it expires.');
    expect(text.slice(place?.start, place?.end)).toBe(place?.quote);
  });

  it.each([
    ['\u201cIt\u2019s late\u201d', '"It\'s late"'],
    ['"It\'s late"', '\u201eIt\u2018s late\u201c'],
    ['\u00abIt\u201bs late\u00bb', '"It\u2019s late"'],
  ])('takes %s for %s', (inText, inQuote) => {
    const text = `He said ${inText} and left.`;
    expect(locate(cite(inQuote), text)).toEqual({ start: 8, end: 8 + inText.length, quote: inText });
  });

  it.each(['', ' \n\t', '\u00a0'])('takes the empty quotation %j for no proof', (quote) => {
    expect(locate(cite(quote), 'any \u00a0text')).toBeNull();
    expect(locate(cite(quote, { start: 0, end: quote.length }), `${quote}text`)).toBeNull();
  });

  it.each([
    ['other words', 'A lock never expires.'],
    ['other case', 'a LOCK expires.'],
    ['other punctuation', 'A lock expires!'],
    ['words left out', 'A lock ... Renew it.'],
    ['a word joined by the fold', 'A lock expires.Renew it.'],
  ])('refuses %s', (_what, quote) => {
    expect(locate(cite(quote), snapshot)).toBeNull();
  });

  it('refuses everything without a snapshot', () => {
    expect(locate(cite('A lock expires.', { start: 0, end: 15 }), undefined)).toBeNull();
  });

  it('counts in UTF-16 units across surrogate pairs', () => {
    const text = '\u{1f512}\u{1f512} the  \u{1f511} fits';
    expect(locate(cite('\u{1f511} fits'), text)).toEqual({ start: 10, end: 17, quote: '\u{1f511} fits' });
    expect(locate(cite('the \u{1f511}'), text)).toEqual({ start: 5, end: 12, quote: 'the  \u{1f511}' });
  });

  it('refuses half a surrogate pair, which no store could keep', () => {
    expect(locate(cite('\udd12'), '\u{1f512}')).toBeNull();
    expect(locate(cite('\ud83d', { start: 0, end: 1 }), '\u{1f512}')).toBeNull();
  });
});

/** Text of the characters that folding is about, with some others between. */
const prose = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', '\n', '\t', '\u00a0', '"', "'", '\u201c', '\u2019', '\u{1f512}', '.'),
  maxLength: 60,
});

describe('any citation', () => {
  it('slices to its quotation out of the snapshot', () => {
    const offsets = fc.option(fc.integer({ min: -70, max: 70 }), { nil: undefined });
    fc.assert(
      fc.property(prose, prose, offsets, offsets, (text, quote, start, end) => {
        const at = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
        const place = locate(cite(quote, at), text);
        if (place === null) return;
        expect(text.slice(place.start, place.end)).toBe(place.quote);
        expect(place.start).toBeGreaterThanOrEqual(0);
        expect(place.end - place.start).toBe(place.quote.length);
        expect(place.quote.trim()).not.toBe('');
      }),
      { numRuns: 1000 },
    );
  });

  it('is found wherever its text was copied from, however its white space and marks were set anew', () => {
    const reset = (text: string) =>
      text
        .replace(/\s+/g, ' \n ')
        .replace(/["\u201c]/g, '\u201d')
        .replace(/['\u2019]/g, '\u2018');
    fc.assert(
      fc.property(prose, fc.nat(60), fc.nat(60), (text, a, b) => {
        const copied = text.slice(Math.min(a, b), Math.max(a, b));
        fc.pre(copied.trim() !== '' && copied.isWellFormed());
        expect(locate(cite(reset(copied)), text)).not.toBeNull();
      }),
      { numRuns: 1000 },
    );
  });
});

describe('verifyAnswer', () => {
  const texts = ['Locks expire after 30 s.', 'Renew them in time.', 'Nobody quotes this.'];
  const outcomes = texts.map((text) => ({ call: searchOf(text), observation: observationOf(text) }));
  const turns: Turn[] = [{ role: 'tools', results: outcomes }];
  const sources = numberSources(turns);
  const snapshots = new Map(texts.map((text) => [sha256Of(text), text]));
  const evidence = { sources, snapshots };
  const claim = (text: string, ...citations: readonly DraftCitation[]): AnswerPart => ({
    text,
    claim: true,
    citations,
  });

  it('numbers what is cited by first citation and leaves out the rest', () => {
    const draft = [
      claim('Renew locks.', { source: 's2', quote: 'Renew them' }),
      claim('They expire.', { source: 's1', quote: 'Locks expire' }, { source: 's2', quote: 'in time.' }),
    ];
    const { answer, claims, sources: cited } = verifyAnswer({ draft }, evidence);
    expect(answer).toBe('Renew locks. [1]\n\nThey expire. [2][1]');
    expect(cited.map(({ id, sha256 }) => [id, sha256])).toEqual([
      ['s1', sha256Of('Renew them in time.')],
      ['s2', sha256Of('Locks expire after 30 s.')],
    ]);
    expect(claims[1]?.citations).toEqual([
      { source: 's2', start: 0, end: 12, quote: 'Locks expire' },
      { source: 's1', start: 11, end: 19, quote: 'in time.' },
    ]);
  });

  it('marks a source once that one claim cites twice', () => {
    const draft = [claim('x', { source: 's1', quote: 'Locks' }, { source: 's1', quote: '30 s' })];
    expect(verifyAnswer({ draft }, evidence).answer).toBe('x [1]');
  });

  it.each<[string, readonly DraftCitation[]]>([
    ['no citation', []],
    ['a quotation that nobody wrote', [{ source: 's1', quote: 'Locks never expire' }]],
    ['a quotation of another source', [{ source: 's2', quote: 'Locks expire' }]],
    ['an unknown source', [{ source: 's9', quote: 'Locks expire' }]],
    ['a hash nobody saw', [{ source: sha256Of('x'), quote: 'x' }]],
    ['an empty quotation', [{ source: 's1', quote: '' }]],
  ])('holds a claim with %s for unsupported, and says so', (_what, citations) => {
    const { answer, claims, sources: cited } = verifyAnswer({ draft: [claim('So it is.', ...citations)] }, evidence);
    expect(answer).toBe('So it is. [unsupported]');
    expect(claims).toEqual([{ text: 'So it is.', verdict: 'unsupported', citations: [] }]);
    expect(cited).toEqual([]);
  });

  it('supports nothing from a snapshot that is missing, or whose source the run never saw', () => {
    const draft = [claim('x', { source: sha256Of(texts[0] ?? ''), quote: 'Locks' })];
    expect(verifyAnswer({ draft }, { sources, snapshots: new Map() }).claims[0]?.verdict).toBe('unsupported');
    expect(verifyAnswer({ draft }, { sources: new Map(), snapshots }).claims[0]?.verdict).toBe('unsupported');
  });

  it('keeps the citations that hold and drops the others', () => {
    const draft = [claim('x', { source: 's1', quote: 'made up' }, { source: 's1', quote: '30 s' })];
    expect(verifyAnswer({ draft }, evidence).claims[0]).toMatchObject({
      verdict: 'supported',
      citations: [{ quote: '30 s' }],
    });
  });

  it('sets a claim that is its own quotation as a block of quoted lines', () => {
    const text = 'one\n\ntwo';
    const found = [{ call: searchOf('q'), observation: observationOf(text) }];
    const draft = [claim(text, { source: sha256Of(text), quote: text })];
    const known = numberSources([{ role: 'tools', results: found }]);
    expect(verifyAnswer({ draft }, { sources: known, snapshots: new Map([[sha256Of(text), text]]) }).answer).toBe(
      '> one\n>\n> two [1]',
    );
  });

  it('passes framing on as it is, as no claim', () => {
    const draft: AnswerPart[] = [{ text: '## Locks', claim: false, citations: [] }, claim('x')];
    const { answer, claims } = verifyAnswer({ draft }, evidence);
    expect(answer).toBe('## Locks\n\nx [unsupported]');
    expect(claims).toHaveLength(1);
  });
});

describe('an unsupported claim', () => {
  const text = 'Locks expire after 30 s.';
  const sources = numberSources([
    { role: 'tools', results: [{ call: searchOf('q'), observation: observationOf(text) }] },
  ]);
  const evidence = { sources, snapshots: new Map([[sha256Of(text), text]]) };
  const claim = (words: string, ...citations: readonly DraftCitation[]): AnswerPart => {
    return { text: words, claim: true, citations };
  };

  it('is removed under the rule strict, and counted', () => {
    const draft = [claim('They end.', { source: 's1', quote: 'Locks expire' }), claim('They never end.')];
    const { answer, claims, removed } = verifyAnswer({ draft, rule: 'strict' }, evidence);
    expect(answer).toBe('They end. [1]');
    expect(claims).toHaveLength(1);
    expect(removed).toBe(1);
  });

  it('leaves its line break and its list marker to the sentence behind it', () => {
    const proof = { source: 's1', quote: 'Locks' };
    const draft: AnswerPart[] = [
      { text: '## Result', claim: false, citations: [] },
      claim('\n\nOne is unproven.'),
      claim(' Two holds.', proof),
      claim('\n\n- alpha unproven.'),
      claim(' Beta holds.', proof),
      claim('\n- gamma holds.', proof),
    ];
    expect(verifyAnswer({ draft, rule: 'strict' }, evidence).answer).toBe(
      '## Result\n\nTwo holds. [1]\n\n- Beta holds. [1]\n- gamma holds. [1]',
    );
  });

  it.each<[string, readonly DraftCitation[], string]>([
    ['no citation', [], 'it cites nothing.'],
    ['a wrong quote', [{ source: 's1', quote: 'never' }], 'the quote "never" does not stand in s1.'],
    ['an unknown source', [{ source: 's7', quote: 'x' }], '"s7" is not the id of a source that was shown.'],
  ])('has its reason told: %s', (_what, citations, reason) => {
    const draft = [claim('It ends.', ...citations)];
    expect(verifyAnswer({ draft }, evidence).faults).toEqual([{ text: 'It ends.', reason }]);
  });

  it('is none where one quote of several holds', () => {
    const draft = [claim('x', { source: 's1', quote: 'never' }, { source: 's1', quote: '30 s' })];
    expect(verifyAnswer({ draft }, evidence).faults).toEqual([]);
  });

  it('may be a field of an output: its sources are numbered behind those of the answer', () => {
    const fields = { '/seconds': [{ source: 's1', quote: '30 s' }], '/unit': [{ source: 's1', quote: 'minutes' }] };
    const { fields: proofs, sources: cited } = verifyAnswer({ draft: [], fields }, evidence);
    expect(proofs).toEqual([
      { path: '/seconds', verdict: 'supported', citations: [{ source: 's1', start: 19, end: 23, quote: '30 s' }] },
      { path: '/unit', verdict: 'unsupported', citations: [] },
    ]);
    expect(cited).toHaveLength(1);
  });

  it('needs only the snapshots that are cited', () => {
    const draft = [claim('x', { source: 's1', quote: 'y' }, { source: 's9', quote: 'z' })];
    expect(citedHashes({ draft }, sources)).toEqual([sha256Of(text)]);
  });
});
