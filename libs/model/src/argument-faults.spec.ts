import { describe, expect, it } from '@jest/globals';
import { argumentFaults } from './argument-faults.ts';

const visit = {
  type: 'object',
  properties: {
    url: { type: 'array', items: { type: 'string' } },
    goal: { type: 'string' },
    depth: { type: ['integer', 'null'] },
    kind: { enum: ['page', 'pdf'] },
    within: {
      type: 'object',
      properties: { days: { type: 'number' } },
      required: ['days'],
      additionalProperties: false,
    },
  },
  required: ['url', 'goal'],
};
const right = { url: ['u'], goal: 'g' };

describe('argumentFaults', () => {
  it.each([
    [right],
    [{ ...right, url: 'u' }],
    [{ ...right, depth: null, kind: 'pdf', within: { days: 0.5 }, other: 1 }],
  ])('finds nothing wrong with %j', (args) => {
    expect(argumentFaults(args, visit)).toEqual([]);
  });

  it.each([
    [{}, ['"url" is missing.', '"goal" is missing.']],
    [{ ...right, goal: ['g'] }, ['"goal" must be a string, but is an array.']],
    [{ ...right, url: 3 }, ['"url" must be an array, but is a number.']],
    [
      { ...right, url: ['u', 1, null] },
      ['"url[1]" must be a string, but is a number.', '"url[2]" must be a string, but is null.'],
    ],
    [{ ...right, depth: 1.5 }, ['"depth" must be an integer or null, but is a number.']],
    [{ ...right, kind: 'doc' }, ['"kind" must be one of "page", "pdf".']],
    [{ ...right, within: {} }, ['"within.days" is missing.']],
    [{ ...right, within: { days: 1, hours: 2 } }, ['"within.hours" is not known; known: days.']],
  ])('says what is wrong with %j', (args, faults) => {
    expect(argumentFaults(args, visit)).toEqual(faults);
  });

  it('asks nothing of a tool whose schema says nothing', () => {
    expect(argumentFaults({ a: 1 }, {})).toEqual([]);
    expect(argumentFaults({ a: 1 }, { properties: 'nonsense' })).toEqual([]);
  });
});
