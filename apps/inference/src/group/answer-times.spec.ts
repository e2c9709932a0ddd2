import { expect, it } from '@jest/globals';
import { AnswerTimes } from './answer-times.ts';

const noted = (count: number, ms: number, pairs = 8, times = new AnswerTimes()) => {
  for (let i = 0; i < count; i++) times.note(pairs, ms);
  return times;
};

it('calls nothing late before it knows enough', () => {
  expect(noted(31, 100).lateMs(8)).toBeNull();
  expect(noted(32, 100).lateMs(8)).toBe(300);
});

it('compares calls of about the same size only', () => {
  const times = noted(32, 100, 8);
  expect(times.lateMs(5)).toBe(300);
  expect(times.lateMs(9)).toBeNull();
  expect(noted(32, 1_000, 512, times).lateMs(8)).toBe(300);
});

it('forgets what was slow long ago, and never takes a blink for late', () => {
  const times = noted(64, 2, 8, noted(1, 900));
  expect(times.lateMs(8)).toBe(50);
});
