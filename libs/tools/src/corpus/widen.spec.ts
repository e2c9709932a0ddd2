import { describe, expect, it } from '@jest/globals';
import { widen } from './widen.ts';

const span = (start: number, end: number, heading = 'A') => ({ start, end, headings: [heading] });

describe('widen', () => {
  it('adds following passages of the section before earlier ones, while the whole stays under 1,200 characters', () => {
    const spans = [span(0, 300), span(300, 600), span(600, 1100), span(1100, 1600)];
    expect(widen(spans, 1)).toEqual({ start: 0, end: 1100 });
  });

  it('does not cross into another section', () => {
    const spans = [span(0, 100, 'before'), span(100, 200), span(200, 300, 'after')];
    expect(widen(spans, 1)).toEqual({ start: 100, end: 200 });
  });

  it('leaves a passage alone that is long enough already', () => {
    expect(widen([span(0, 1100), span(1100, 1400)], 0)).toEqual({ start: 0, end: 1100 });
  });

  it('widens the first and the last passage of a document', () => {
    const spans = [span(0, 100), span(100, 200)];
    expect(widen(spans, 0)).toEqual({ start: 0, end: 200 });
    expect(widen(spans, 1)).toEqual({ start: 0, end: 200 });
  });
});
