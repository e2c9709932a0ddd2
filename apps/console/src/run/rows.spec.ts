import { describe, expect, it } from '@jest/globals';
import { writingOf } from './rows.ts';

describe('what a model is writing', () => {
  it.each([
    ['<think>That will', 'thinks: That will'],
    ['<think>That will do.</think>\n', 'thinks: That will do.'],
    ['<think>That will do.</think> <answer>It leaves\n e', 'answers: It leaves e'],
    ['<think>Hm.</think><tool_call>\n{"name": "search"', 'asks: {"name": "search"'],
    ['<answer>It leaves. <cite source="s1">every</cite> It <cite sou', 'answers: It leaves. every It'],
    ['<think>a < b and c</thi', 'thinks: a < b and c'],
    ['A reply of another form', 'A reply of another form'],
    ['', ''],
  ])('is told of %j as %j', (reply, told) => {
    expect(writingOf(reply)).toBe(told);
  });

  it('is the end of what is long', () => {
    expect(writingOf(`<answer>${'a'.repeat(500)}end`)).toMatch(/^answers: a{197}end$/);
  });
});
