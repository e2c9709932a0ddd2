import { describe, expect, it } from '@jest/globals';
import { tokenWeight } from './estimate.ts';

describe('tokenWeight', () => {
  it.each([
    ['', 0],
    ['four', 1],
    ['Über uns', 2],
    ['研究报', 2],
    ['データ', 2],
    ['한국어', 2],
    ['，。）', 2],
    ['研究报告的数据, 8 pages', 7 / 1.5 + 9 / 4],
  ])('is about the tokens of "%s"', (text, tokens) => {
    expect(tokenWeight(text)).toBeCloseTo(tokens);
  });
});
