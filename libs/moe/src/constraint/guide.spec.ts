import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { InvalidInput } from '#errors';
import { type SchemaCase, schemaCases, styles, written } from '../../../../test/support/schema-cases.ts';
import type { Constraint } from './constraint.ts';
import { type Guide, Guides, type Held } from './guide.ts';
import { allows } from './masks.ts';

/** Every byte, pieces that cross the parts of JSON, and pieces of characters. */
const pieces = [
  '{"',
  '": ',
  '", "',
  '"}',
  '"]',
  '},',
  '}]',
  '":[',
  'true',
  'null',
  '\\u',
  '\\"',
  ' "',
  '\n  ',
  '12',
  '.5',
  'ab',
  'the ',
].map((text) => Buffer.from(text));
const torn = ['f09f', '9a80', '80c3', 'a922', 'c3a9c3', 'e282'].map((hex) => Buffer.from(hex, 'hex'));
const tokens = [
  ...Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)),
  ...pieces,
  ...torn,
  Buffer.from('</think>'),
];
const END = tokens.length;
const guides = new Guides({
  size: END + 1,
  bytesOf: (id) => tokens[id] ?? Buffer.alloc(0),
  endIds: new Set([END]),
});

/** For tests of many random cases, on a machine that has much else to do. */
const busyMs = 180_000;

/** Tokens that never run out. */
const AMPLE = 1e9;

const plain: Held = { constraint: null, reasoningTokens: 0, isReasoning: false, stop: [] };

function held(form: Constraint, changes: Partial<Held> = {}): Guide {
  return guides.guide({ ...plain, constraint: { form, path: 'grammar' }, ...changes });
}

const jsonOf = (schema: unknown, loose = false): Constraint => ({
  kind: 'json',
  schema: JSON.stringify(schema),
  loose,
  without: [],
});

function idsIn(guide: Guide, left = AMPLE): number[] {
  const mask = guide.allowed(left);
  return [...tokens.keys(), END].filter((id) => allows(mask, id));
}

/** What a model without any sense says; null where it is not whole behind so many tokens. It likes to come to an end. */
function babbled(guide: Guide, seed: number, most = 2_000, hurries = false): string | null {
  let state = seed >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const said: Buffer[] = [];
  for (let count = 0; count < most; count++) {
    const ids = idsIn(guide, hurries ? most - count : AMPLE);
    const closing = ids.filter((id) => id === END || '"}]'.includes(tokens[id]?.toString() ?? '?'));
    const from = closing.length > 0 && random() < 0.3 ? closing : ids;
    const id = from[Math.floor(random() * from.length)] ?? END;
    if (id === END) return Buffer.concat(said).toString();
    said.push(tokens[id] ?? Buffer.alloc(0));
    guide.take(id);
    if (guide.isOver) return Buffer.concat(said).toString();
  }
  return allows(guide.allowed(AMPLE), END) ? Buffer.concat(said).toString() : null;
}

/** Feeds a text in tokens cut by the dice; gives how much of it was allowed, and whether the text may end there. */
function fed(guide: Guide, text: string, dice: readonly number[]): { readonly rest: string; readonly ends: boolean } {
  let rest = Buffer.from(text);
  for (let at = 0; rest.length > 0; at++) {
    const mask = guide.allowed(AMPLE);
    const fitting = [...tokens.keys()].filter((id) => {
      const token = tokens[id] ?? Buffer.alloc(0);
      return token.equals(rest.subarray(0, token.length)) && token.length > 0;
    });
    // All tokens with which the text goes on are allowed, or none: where the cuts are does not matter.
    const open = fitting.filter((id) => allows(mask, id));
    if (open.length < fitting.length) return { rest: rest.toString(), ends: false };
    const id = open[(dice[at % dice.length] ?? 0) % open.length] ?? 0;
    guide.take(id);
    rest = rest.subarray(tokens[id]?.length ?? 0);
  }
  return { rest: '', ends: guide.isOver || allows(guide.allowed(AMPLE), END) };
}

const ajv = new Ajv2020({ strict: false, logger: false });

describe('a JSON Schema', () => {
  const validates = ({ schema }: SchemaCase) => ajv.compile(schema as object);

  it(
    'is fitted by whatever a random model says, once it ends',
    () => {
      let ended = 0;
      fc.assert(
        fc.property(schemaCases, fc.integer(), (one, seed) => {
          const text = babbled(held(jsonOf(one.schema)), seed);
          if (text === null) return;
          ended++;
          const validate = validates(one);
          expect({ text, fits: validate(JSON.parse(text)), errors: validate.errors ?? [] }).toMatchObject({
            fits: true,
          });
        }),
        { numRuns: 60 },
      );
      expect(ended).toBeGreaterThan(20);
    },
    busyMs,
  );

  it(
    'lets every fitting value be written, in any style and however its tokens are cut',
    () => {
      fc.assert(
        fc.property(schemaCases, styles, (one, style) => {
          expect(validates(one)(one.value)).toBe(true);
          const text = written(one.value, style, isFree(one.schema));
          expect({ text, ...fed(held(jsonOf(one.schema)), text, style.dice) }).toMatchObject({ rest: '', ends: true });
        }),
        { numRuns: 60 },
      );
    },
    busyMs,
  );
});

describe('a limit of tokens', () => {
  it(
    'brings every text to its end that can be written within it',
    () => {
      fc.assert(
        fc.property(schemaCases, fc.integer(), ({ schema, value }, seed) => {
          const most = Buffer.byteLength(JSON.stringify(value));
          const guide = held(jsonOf(schema));
          const text = babbled(guide, seed, most, true);
          expect(ajv.compile(schema as object)(JSON.parse(text ?? ''))).toBe(true);
        }),
        { numRuns: 60 },
      );
    },
    busyMs,
  );

  it('leaves a text that cannot be ended within it as it would be', () => {
    const guide = held(literal('abc'));
    expect(babbled(guide, 1, 1, true)).toBeNull();
    expect(guide.isCut).toBe(false);
  });
});

describe('the members of an object', () => {
  const schema = {
    type: 'object',
    properties: { ab: { type: 'integer' }, abc: { type: 'null' }, é: {} },
    required: ['abc'],
  };
  const told = (text: string, additionalProperties: unknown) =>
    fed(held(jsonOf({ ...schema, additionalProperties })), text, [0]);

  it('are each there once, and what they are told to be, under whatever name a text tries', () => {
    expect(told('{"abc": null, "ab": 1, "x": "any", "a": [], "abcd": {}, "ê": 0}', true)).toMatchObject({ ends: true });
    expect(told('{"ab":"x"', true).rest).toMatch(/"x"$/);
    expect(told('{"abc":null,"abc"', true).rest).toMatch(/^c?"$/);
    expect(told('{"\\u0061b":0', true).rest).toMatch(/u0061b/);
    expect(told('{"x":1', { type: 'string' }).rest).toBe('1');
    expect(told('{"x"', false).rest).toMatch(/x"$/);
    expect(told('{"ab":1}', false).rest).toBe('}');
  });
});

/** Values of `const` and `enum`, and strings with a pattern, are written in one way; so is what holds them. */
function isFree(schema: unknown): boolean {
  return !/"(const|enum|pattern)":/.test(JSON.stringify(schema));
}

const literal = (text: string): Constraint => ({ kind: 'literal', text });
const sequence = (...parts: readonly Constraint[]): Constraint => ({ kind: 'sequence', parts });
const choice = (...parts: readonly Constraint[]): Constraint => ({ kind: 'choice', parts });
const words = (most: number, ...without: readonly string[]): Constraint => ({ kind: 'text', least: 1, most, without });

const call = sequence(
  literal('<tool_call>\n{"name": "search", "arguments": '),
  jsonOf({
    type: 'object',
    properties: { query: { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 1, maxItems: 2 } },
    required: ['query'],
  }),
  literal('}\n</tool_call>'),
);
const answer = sequence(literal('<answer>'), words(20, '</answer>', '<tool_call>'), literal('</answer>'));

describe('a grammar', () => {
  it('is kept to by a random model: each text is a call that can be read, or an answer', () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const text = babbled(held(choice(call, answer)), seed) ?? '';
      const [, json] = /^<tool_call>\n(.*)\n<\/tool_call>$/s.exec(text) ?? [];
      if (json !== undefined)
        expect(JSON.parse(json)).toMatchObject({ name: 'search', arguments: { query: expect.any(Array) } });
      else expect(text).toMatch(/^<answer>(?!.*<tool_call>).{1,20}<\/answer>$/su);
      found.add(json === undefined ? 'answer' : 'call');
    }
    expect(found).toEqual(new Set(['answer', 'call']));
  });

  it('repeats a part as often as it may', () => {
    const form: Constraint = { kind: 'repetition', part: literal('ab'), least: 2, most: 3 };
    const ends = ['', 'ab', 'abab', 'ababab'].map((text) => fed(held(form), text, [0]).ends);
    expect(ends).toEqual([false, false, true, true]);
    expect(fed(held(form), 'abababab', [0]).rest).toBe('ab');
  });

  it('is one of the texts of a choice, where one begins with another, too', () => {
    const form = choice(literal('yes'), literal('yes, but'), literal('no'));
    expect(['yes', 'yes, but', 'no'].map((text) => fed(held(form), text, [1]))).toEqual(
      Array(3).fill({ rest: '', ends: true }),
    );
    expect(fed(held(form), 'yes, no', [1])).toEqual({ rest: 'no', ends: false });
  });

  it('does without some strings in a value, where its frame would take them for its end', () => {
    const form: Constraint = { kind: 'json', schema: '{"type":"string"}', loose: false, without: ['</a>', 'tag'] };
    expect(fed(held(form), '"a </a </ t ta"', [2])).toMatchObject({ rest: '', ends: true });
    expect(fed(held(form), '"a </a>"', [2])).toMatchObject({ rest: '>"' });
    expect(fed(held(form), '"tag"', [0])).toMatchObject({ rest: 'g"' });
  });

  it('does without the stop strings of its request', () => {
    const form = jsonOf({ type: 'string' });
    const stop = ['<tool_response>'];
    expect(fed(held(form, { stop }), '"<tool_response"', [0])).toMatchObject({ rest: '' });
    expect(fed(held(form, { stop }), '"<tool_response>"', [0])).toMatchObject({ rest: '>"' });
  });
});

describe('free text', () => {
  it('counts characters, and ends within none, whatever pieces of them tokens hold', () => {
    for (let seed = 0; seed < 40; seed++) {
      const text = babbled(held(words(5)), seed) ?? '';
      expect(text).not.toContain('\ufffd');
      expect([...text].length).toBeLessThanOrEqual(5);
    }
    // Half of a rocket, and its other half with the beginning of what follows.
    const guide = held(words(3));
    for (const hex of ['f09f', '9a80', 'c3a9c3', 'a9'])
      guide.take(tokens.findIndex((token) => token.toString('hex') === hex));
    expect(guide.isOver).toBe(true);
    const last = held(words(1));
    expect(idsIn(last)).not.toContain(tokens.findIndex((token) => token.toString('hex') === 'c3a9c3'));
  });
});

describe('a long reply', () => {
  it('is counted to its end, though what led there is forgotten on the way', () => {
    const guide = held(jsonOf({ type: 'string', minLength: 20_000, maxLength: 20_001 }));
    const [quote = 0, letter = 0] = Buffer.from('"a');
    guide.take(quote);
    for (let i = 0; i < 19_999; i++) guide.take(letter);
    expect(idsIn(guide)).not.toContain(quote);
    guide.take(letter);
    expect(idsIn(guide)).toContain(quote);
    guide.take(letter);
    expect(idsIn(guide)).toEqual([quote]);
  });
});

describe('reasoning', () => {
  const form = literal('yes');
  const text = (guide: Guide, said: string) => fed(guide, said, [5]);

  it('comes before what is constrained, opened by the prompt or by the reply', () => {
    expect(text(held(form, { reasoningTokens: null, isReasoning: true }), 'so "no" {</think>\n\nyes')).toMatchObject({
      ends: true,
    });
    expect(text(held(form, { reasoningTokens: null }), '<think>so</think>yes')).toMatchObject({ ends: true });
    expect(text(held(form, { reasoningTokens: null }), 'yes')).toMatchObject({ ends: true });
    expect(text(held(form, { reasoningTokens: null, isReasoning: true }), 'yes')).toMatchObject({
      rest: '',
      ends: false,
    });
    expect(text(held(form, { reasoningTokens: 0 }), '<think>')).toMatchObject({ rest: '<think>' });
  });

  it('is closed behind its tokens, what came of the tag included', () => {
    const guide = held(form, { reasoningTokens: 3, isReasoning: true });
    for (const letter of 'a</') guide.take(letter.charCodeAt(0));
    expect(idsIn(guide)).toEqual(['t'.charCodeAt(0)]);
    expect(babbled(guide, 1)).toBe('think>yes');
    expect(babbled(held(form, { reasoningTokens: 0, isReasoning: true }), 1)).toMatch(/^<\/think>\n{0,2}yes$/);
  });

  it('is bounded also where nothing else is', () => {
    const opened = guides.guide({ ...plain, reasoningTokens: 9 });
    for (const letter of '<think>ab') opened.take(letter.charCodeAt(0));
    const [tag] = [tokens.findIndex((token) => token.toString() === '</think>')];
    expect(idsIn(opened)).toEqual(['<'.charCodeAt(0), tag]);
    opened.take(tag);
    expect(idsIn(opened)).toHaveLength(tokens.length + 1);
    const never = guides.guide({ ...plain, reasoningTokens: 0 });
    expect(text(never, 'a <think').rest).toBe('');
    expect(text(never, '<think>').rest).not.toBe('');
  });
});

describe('what cannot be used', () => {
  const problemsOf = (form: Constraint): string[] => {
    try {
      held(form);
      return [];
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      return error.problems.map(({ path, message }) => `${path}: ${message}`);
    }
  };
  const deep = (levels: number): object => (levels === 0 ? {} : { type: 'array', items: deep(levels - 1) });

  it('of a schema is named by keyword and place', () => {
    const schema = {
      type: 'object',
      properties: {
        'a/b': { type: 'string', format: 'date' },
        list: { type: 'array', uniqueItems: true, items: { oneOf: [] } },
        not: { type: 'strin' },
      },
    };
    expect(problemsOf(jsonOf(schema))).toEqual([
      'grammar#/properties/a~1b/format: is not supported: leave it out, and check the value',
      'grammar#/properties/list/uniqueItems: is not supported: leave it out, and check the value',
      'grammar#/properties/list/items/oneOf: is not supported: leave it out, and check the value',
      'grammar#/properties/not/type: must be the name of a JSON type, or a list of them',
    ]);
    expect(problemsOf(jsonOf(schema, true))).toEqual([
      'grammar#/properties/not/type: must be the name of a JSON type, or a list of them',
    ]);
  });

  const refusals: [unknown, RegExp][] = [
    [{ type: 'array', minItems: 3, maxItems: 2 }, /maxItems: is 2, which is below minItems, 3/],
    [{ type: 'string', minLength: 1, maxLength: 0 }, /maxLength: is 0/],
    [{ type: 'integer', minimum: 5, exclusiveMaximum: 5 }, /bounds contradict/],
    [
      { type: 'object', required: ['a'], additionalProperties: false },
      /asks for "a", which additionalProperties forbids/,
    ],
    [{ type: 'integer', enum: ['a', 1.5] }, /no value that its type allows/],
    [false, /must be an object or true/],
    [{ $ref: '#/$defs/none' }, /not in the schema/],
    [{ $ref: 'https://example.org/schema' }, /must point inside/],
    [{ $defs: { a: { type: 'array', items: { $ref: '#/$defs/a' } } }, $ref: '#/$defs/a' }, /leads back to itself/],
    [{ type: 'number', exclusiveMinimum: 0 }, /supported for integers/],
    [{ type: 'string', pattern: '(?=a)b' }, /looking ahead/],
    [{ type: 'string', pattern: 'a', maxLength: 3 }, /beside minLength and maxLength/],
    [{ anyOf: [{}], type: 'object' }, /not supported beside "type"/],
    [deep(40), /nested deeper than 32 levels/],
    [{ enum: Array.from({ length: 1_001 }, (_, i) => i) }, /has 1001 values; at most 1000/],
  ];
  it.each(refusals.map(([schema, why]) => [why.source, schema, why] as const))('is refused: %s', (_, schema, why) => {
    expect(problemsOf(jsonOf(schema)).join()).toMatch(why);
  });

  it('of a loose schema is any value, however deep or large it is', () => {
    for (const schema of [deep(90), { enum: Array.from({ length: 1_001 }, (_, i) => i) }, { allOf: [] }]) {
      expect(problemsOf(jsonOf(schema, true))).toEqual([]);
    }
    expect(fed(held(jsonOf({ type: 'string', maxLength: 3, pattern: '(?=a)' }, true)), '"abcd"', [0]).rest).not.toBe(
      '',
    );
  });

  it('is refused where it is too large, in bounds of work', () => {
    expect(
      problemsOf({ kind: 'json', schema: `{"title": "${'x'.repeat(70_000)}"}`, loose: false, without: [] }).join(),
    ).toMatch(/at most 65536/);
    expect(problemsOf({ kind: 'json', schema: '['.repeat(60_000), loose: false, without: [] }).join()).toMatch(
      /is no JSON/,
    );
    expect(problemsOf({ kind: 'regex', pattern: 'a'.repeat(3_000) }).join()).toMatch(/at most 2000/);
    expect(problemsOf({ kind: 'regex', pattern: `${'('.repeat(40)}a${')'.repeat(40)}` }).join()).toMatch(
      /deeper than 32/,
    );
    expect(problemsOf(literal('x'.repeat(9_000))).join()).toMatch(/at most 8192/);
    expect(problemsOf(choice(...Array.from({ length: 4_001 }, () => literal('a')))).join()).toMatch(
      /more than 4000 parts/,
    );
    expect(problemsOf(choice()).join()).toBe('grammar: has no parts');
    expect(problemsOf({ kind: 'regex', pattern: '[]' }).join()).toMatch(/fits no text/);
    expect(problemsOf({ kind: 'repetition', part: literal('a'), least: 3, most: 2 }).join()).toMatch(/3 to 2/);
  });

  it('is said before the reply where no token can write a literal, and in the reply where that shows only there', () => {
    const poor = new Guides({ size: 3, bytesOf: (id) => Buffer.from('ab"'.charAt(id)), endIds: new Set() });
    const of = (form: Constraint) => poor.guide({ ...plain, constraint: { form, path: 'grammar' } });
    expect(() => of(sequence(literal('ab'), literal('acb')))).toThrow('grammar[1]: holds "c", which no token');
    expect(() => of(jsonOf({ const: ['ab'] })).allowed(AMPLE)).toThrow(/no token can follow/);
  });

  it('is a pattern that has no end of states', () => {
    const guide = held({ kind: 'regex', pattern: '[ab]*a[ab]{1000}c|[ab]*b[ab]{1000}d|[ab]*[ab]{1000}e' });
    const say = () => {
      for (let i = 0; i < 3_000; i++) guide.take('ab'.charCodeAt(((i * i) % 7) % 2));
    };
    expect(say).toThrow(/constraint came to .* ask for something simpler/);
  });
});
