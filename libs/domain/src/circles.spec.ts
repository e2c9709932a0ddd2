import { describe, expect, it } from '@jest/globals';
import { hitsOf, observationOf } from '../../../test/support/research.ts';
import { afterResults, afterUnusableReply, isStuck, noProgressYet, type Progress } from './circles.ts';
import type { ToolOutcome } from './conversation.ts';
import type { ToolFault } from './observation.ts';

function found(query: string, text: string): ToolOutcome {
  return { call: { tool: 'search', args: { query } }, observation: observationOf(text, query) };
}

function failed(url: string, kind: ToolFault['kind']): ToolOutcome {
  const section = { label: url, passages: [], fault: { kind, message: 'no' } };
  return { call: { tool: 'visit', args: { url } }, observation: { sections: [section], sources: [] } };
}

const progressOf = (...steps: readonly ToolOutcome[]): Progress =>
  steps.reduce((progress, outcome) => afterResults(progress, [outcome]), noProgressYet);
const signs = (...steps: readonly ToolOutcome[]) =>
  steps.map((_, index) => progressOf(...steps.slice(0, index + 1)).circle?.sign ?? null);

describe('a circle', () => {
  it('is not seen in queries that bring something new, however alike they are', () => {
    expect(signs(found('lock lease', 'a'), found('lock lease', 'b'), found('lock leases', 'c'))).toEqual([
      null,
      null,
      null,
    ]);
  });

  it('is not seen in searches that name pages not named before, and is in those that name the same', () => {
    const named = (query: string, ...urls: readonly string[]): ToolOutcome => {
      return { call: { tool: 'search', args: { query } }, observation: hitsOf(query, ...urls) };
    };
    const [one, two] = ['https://a.example/', 'https://b.example/'];
    expect(signs(named('lock lease', one), named('lock leases', two))).toEqual([null, null]);
    expect(signs(named('lock lease', one, two), named('lock leases', two))).toEqual([null, 'repeated_call']);
  });

  it.each([
    ['the same words', 'How long is a lock lease?'],
    ['other endings and order', 'lock leases: how long?'],
  ])('is a query asked before, with %s, that brings nothing new', (_what, again) => {
    const { circle } = progressOf(found('How long is a lock lease?', 'a'), found(again, 'a'));
    expect(circle).toEqual({ sign: 'repeated_call', message: expect.stringContaining(again) });
  });

  it('is not seen in another question that happens to bring the same', () => {
    expect(signs(found('lock lease', 'a'), found('worker heartbeat', 'a'))).toEqual([null, null]);
    expect(signs(found('lock lease', 'a'), found('lock lease renewal interval default', 'a'))).toEqual([null, null]);
  });

  it.each([
    ['blocked', 2],
    ['empty', 2],
    ['transient', 3],
  ] as const)('is an address that failed as %s %i times', (kind, times) => {
    const steps = Array.from({ length: times }, () => failed('https://example.org/gone', kind));
    expect(signs(...steps)[times - 1]).toBe('dead_url');
    expect(signs(...steps.slice(1))).not.toContain('dead_url');
  });

  it('is not seen in calls that failed as a whole, whatever they asked for', () => {
    const outage = (query: string): ToolOutcome => {
      const fault = { kind: 'transient' as const, message: 'no answer' };
      const observation = { sections: [{ label: 'search', passages: [], fault }], sources: [] };
      return { call: { tool: 'search', args: { query } }, observation };
    };
    expect(signs(outage('lease'), outage('epoch'), outage('fence'))).toEqual([null, null, null]);
  });

  it('is no address that was read in between', () => {
    const url = 'https://example.org/now-and-then';
    const read: ToolOutcome = { call: { tool: 'visit', args: { url } }, observation: observationOf('A page.', url) };
    expect(signs(failed(url, 'blocked'), read, failed(url, 'blocked'))).not.toContain('dead_url');
  });

  it('is four steps without anything that was not seen before', () => {
    const steps = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'].map((word) => found(`${word} subject`, 'a'));
    expect(signs(...steps)).toEqual([null, null, null, null, 'no_new_evidence']);
  });

  it('is a second reply in a row that cannot be used', () => {
    const once = afterUnusableReply(noProgressYet);
    expect(once.circle).toBeNull();
    expect(afterUnusableReply(once).circle?.sign).toBe('unusable_replies');
  });
});

describe('a run', () => {
  it('is stuck when three nudges did not help, and not when something new was found in between', () => {
    const same = found('lock lease', 'a');
    expect(isStuck(progressOf(same, same, same, same))).toBe(false);
    expect(isStuck(progressOf(same, same, same, same, same))).toBe(true);
    expect(isStuck(progressOf(same, same, same, same, found('heartbeat', 'b'), same))).toBe(false);
  });

  it('is stuck after four unusable replies in a row', () => {
    const replies = (count: number) =>
      Array.from({ length: count }).reduce<Progress>((progress) => afterUnusableReply(progress), noProgressYet);
    expect(isStuck(replies(3))).toBe(false);
    expect(isStuck(replies(4))).toBe(true);
    expect(isStuck(afterUnusableReply(afterResults(replies(3), [found('q', 'a')])))).toBe(false);
  });
});
