import { describe, expect, it } from '@jest/globals';
import { arxivIdOf, doiOf, doiUrl } from './doi.ts';
import { clipped, hitOf, isoDate, oneLine, plainText } from './plain.ts';

describe('plainText', () => {
  it.each([
    ['a <b>bold</b> <i class="x">word</i>', 'a bold word'],
    ['<jats:p>One.</jats:p><jats:p>Two.</jats:p>', 'One. Two.'],
    ['H<sub>2</sub>O &amp; &lt;b&gt; &#233; &#x3b1; &nbsp; &unknown;', 'H2O & <b> é α &unknown;'],
    ['p < 0.05 and q > 3', 'p < 0.05 and q > 3'],
    ['&#0;&#x110000;', ''],
    ['zero\u200bwidth\u202e and\u0000 control\u0007', 'zerowidth and control'],
    ['tagged\u{e0049}\u{e0067}\u{e006e}', 'tagged'],
    ['half \ud83d a pair', 'half \ufffd a pair'],
    ['می\u200cخواهم', 'می\u200cخواهم'],
    ['e\u0301', 'é'],
    [null, ''],
  ])('reads %j as %j', (html, text) => {
    expect(plainText(html)).toBe(text);
  });
});

describe('clipped', () => {
  it('cuts between words, and never through a pair of surrogates', () => {
    expect(clipped('one two three', 10)).toBe('one two…');
    expect(clipped('one two', 7)).toBe('one two');
    const cut = clipped('😀'.repeat(50), 20);
    expect(cut.isWellFormed()).toBe(true);
    expect(cut.length).toBeLessThanOrEqual(20);
  });
});

it.each([
  ['2024', '2024'],
  ['2024-05', '2024-05'],
  ['2024-05-17T23:30:00-10:00', '2024-05-17'],
  ['2024-13-01', null],
  ['May 17, 2024', '2024-05-17'],
  ['17 May 2024', '2024-05-17'],
  ['Fri, 17 May 2024 10:00:00 GMT', '2024-05-17'],
  ['3 days ago', null],
  ['soon', null],
  ['20245', null],
  ['', null],
  [null, null],
])('reads the date %j as %j', (text, date) => {
  expect(isoDate(text)).toBe(date);
});

it('tells a page without title by its host, and takes nothing that is no page', () => {
  expect(hitOf({ url: 'https://a.example/x#y', title: ' ', snippet: 'z' })).toEqual({
    url: 'https://a.example/x',
    title: 'a.example',
    snippet: 'z',
    published: null,
  });
  expect(hitOf({ url: 'javascript:alert(1)' })).toBeNull();
  expect(hitOf({ url: null })).toBeNull();
});

it('keeps the words of a line', () => {
  expect(oneLine(' a\n\t b\u00a0c ')).toBe('a b c');
});

describe('identifiers of works', () => {
  it.each([
    ['https://doi.org/10.1000/ABC', '10.1000/abc'],
    ['http://dx.doi.org/10.1000/a/b(c)', '10.1000/a/b(c)'],
    ['doi: 10.1000/x', '10.1000/x'],
    ['10.12/x', null],
    ['10.1000/', null],
    ['https://doi.org/', null],
    [null, null],
  ])('reads the DOI of %j as %j', (text, doi) => {
    expect(doiOf(text)).toBe(doi);
  });

  it('leads to a DOI of odd characters', () => {
    expect(new URL(doiUrl('10.1000/a<b>#?c')).pathname).toBe('/10.1000/a%3Cb%3E%23%3Fc');
  });

  it.each([
    ['http://arxiv.org/abs/1706.03762v7', '1706.03762'],
    ['https://arxiv.org/pdf/hep-ex/0307015v1', 'hep-ex/0307015'],
    ['https://arxiv.org/abs/math.GT/0309136', 'math.gt/0309136'],
    ['10.48550/arXiv.2405.01234', '2405.01234'],
    ['https://example.org/1706.03762', undefined],
  ])('reads the arXiv id of %s as %s', (text, id) => {
    expect(arxivIdOf(text)).toBe(id);
  });
});
