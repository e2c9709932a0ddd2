import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { lateOutcome, replay } from '#domain';
import { asked, observationOf, placed, requestOf, searchOf } from '../../../../test/support/research.ts';
import { toJsonb } from './json.ts';
import { callIdOf, fromPayload, LogUnreadable, toPayload } from './log.ts';

/** What a value is after its way through jsonb, which orders names anew and refuses some characters. */
function asStored<V>(value: V): V {
  return JSON.parse(toJsonb(value), (_name, item: unknown) =>
    item === null || typeof item !== 'object' || Array.isArray(item)
      ? item
      : Object.fromEntries(Object.entries(item).reverse()),
  );
}

describe('callIdOf', () => {
  const call = placed({ tool: 'visit', args: { url: 'https://example.org/', goal: 'why' } }, 3, 1);

  it('is the same for the same call of the same run, and safe in a ring key', () => {
    expect(callIdOf('run', call)).toBe(callIdOf('run', structuredClone(call)));
    expect(callIdOf('run', call)).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each([
    ['run', callIdOf('other', call)],
    ['step', callIdOf('run', { ...call, step: 4 })],
    ['index', callIdOf('run', { ...call, index: 2 })],
    ['tool', callIdOf('run', { ...call, tool: 'search' })],
    ['arguments', callIdOf('run', { ...call, args: { ...call.args, goal: 'how' } })],
    ['an argument that nests the others', callIdOf('run', { ...call, args: { args: call.args } })],
  ])('differs by %s', (_what, other) => {
    expect(other).not.toBe(callIdOf('run', call));
  });

  it('does not depend on the order in which a model wrote the arguments', () => {
    const args = { goal: 'why', url: 'https://example.org/' };
    expect(callIdOf('run', { ...call, args })).toBe(callIdOf('run', call));
  });

  it('is the same before and after its arguments were stored', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'bb', '\0', '\ud800', '\u00e9') });
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(fc.jsonValue(), text, fc.dictionary(text, tie('tree')), fc.array(tie('tree'))),
    }));
    fc.assert(
      fc.property(fc.dictionary(text, tree), (args) => {
        const written = placed({ tool: 'x', args }, 0);
        expect(callIdOf('run', asStored(written))).toBe(callIdOf('run', written));
      }),
    );
  });
});

describe('the stored form of a step', () => {
  const calls = [placed(searchOf('a'), 0, 0), placed(searchOf('b'), 0, 1)];
  const event = {
    kind: 'tools-returned' as const,
    outcomes: [
      { call: searchOf('a'), observation: observationOf('A page.') },
      { call: searchOf('b'), observation: observationOf('B page.') },
    ],
  };
  const payload = toPayload('run', event, calls);
  const results = new Map(calls.map((call, i) => [callIdOf('run', call), observationOf(`${'AB'[i]} page.`)]));

  it('leaves observations out and finds them again by call, in order', () => {
    expect(JSON.stringify(payload)).not.toContain('page.');
    expect(fromPayload(payload, 1, results)).toEqual(event);
  });

  it('is the event itself for every other kind', () => {
    expect(fromPayload(toPayload('run', asked(searchOf('a')), []), 1, new Map())).toEqual(asked(searchOf('a')));
  });

  it('keeps a call late that was late, whatever it brought afterwards', () => {
    const [first = searchOf('a'), second = searchOf('b')] = calls;
    const late = {
      kind: 'tools-returned' as const,
      outcomes: [event.outcomes[0] ?? lateOutcome(first), lateOutcome(second)],
    };
    expect(fromPayload(toPayload('run', late, calls), 2, results)).toEqual({
      ...late,
      outcomes: [late.outcomes[0], lateOutcome(searchOf('b'))],
    });
  });

  it('of release 1 is read as it was meant', () => {
    const observation = observationOf('A page.');
    const callId = 'f'.repeat(32);
    const usage = { promptTokens: 10, cachedTokens: 0, completionTokens: 5 };
    const stored = [
      {
        kind: 'model-replied',
        forced: null,
        reply: { text: 'x', calls: [{ tool: 'search', args: { query: 'a' } }], usage },
      },
      { kind: 'tools-returned', calls: [{ tool: 'search', args: { query: 'a' }, callId }] },
      { kind: 'model-replied', forced: null, reply: { text: 'y', calls: [], answer: [], usage } },
    ] as const;
    const log = stored.map((payload) => fromPayload(payload, 1, new Map([[callId, observation]])));
    const [state, command] = replay(requestOf(), log);
    expect([state.phase, state.step, state.spent.toolCalls, command.kind]).toEqual(['checking', 2, 1, 'check']);
  });

  it('is refused without a result that it names', () => {
    results.delete(callIdOf('run', calls[1] ?? placed(searchOf('b'), 0, 1)));
    expect(() => fromPayload(payload, 1, results)).toThrow(LogUnreadable);
    expect(() => fromPayload(payload, 1, results)).toThrow(/is missing/);
  });

  it('is refused when a newer release wrote it', () => {
    expect(() => fromPayload(asked(), 5, new Map())).toThrow(/schema 5 .* knows 4/);
    expect(() => fromPayload(asked(), 5, new Map())).toThrow(LogUnreadable);
  });
});
