import { describe, expect, it } from '@jest/globals';
import { readConfig } from '#platform';
import { silentProgress } from './progress.ts';
import { lineOf, scale } from './scale.ts';

const terminal = { progress: silentProgress, print: () => undefined, interrupted: new AbortController().signal };

describe('argosy scale', () => {
  it.each([
    ['', /^scale: say explain/],
    ['explain a b', /^scale: say explain/],
    ['explain --last 0', /^--last: needs a number from 1 to 1000/],
    ['explain', /^ARGOSY_DATABASE_URL: is required/],
  ])('refuses "%s" and says what to do', async (args, words) => {
    await expect(scale(args.split(' '), readConfig({}), terminal)).rejects.toThrow(words);
  });

  it('tells a decision in one line: what shall be, what was done, and why', () => {
    const actions = [
      { kind: 'drain', pool: 'agents', unit: 'agents-7' },
      { kind: 'scale', pool: 'agents', from: 3, to: 2, retire: [] },
    ];
    const decision = { target: 1, wanted: 1, alarms: ['at-max'], reasons: ['2 in work, 0 waiting'], actions };
    expect(lineOf('agents', 0, decision)).toBe(
      '1970-01-01T00:00:00.000Z  agents  target 1 (wanted 1), drain agents-7, scale to 2, ALARM at-max: 2 in work, 0 waiting',
    );
    expect(lineOf('agents', 0, null)).toMatch(/target \? /);
  });
});
