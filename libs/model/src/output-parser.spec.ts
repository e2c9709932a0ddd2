import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OutputParser } from './output-parser.ts';
import { tongyiV1 } from './tongyi.ts';

const search = '{"name": "search", "arguments": {"query": ["a } b", "</tool_call>", "\\"<think>"]}}';

/** Reads a text in pieces that end at `cuts`; `certain` is what was given before the end. */
function parsed(text: string, cuts: readonly number[] = []) {
  const parser = new OutputParser(tongyiV1.stop);
  let certain = '';
  let from = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), text.length]) {
    certain += parser.push(text.slice(from, cut));
    from = cut;
  }
  certain += parser.flush();
  return { ...parser.end(), stopped: parser.stopped, certain };
}

/** Each segment as its kind and what it holds. */
const segmentsIn = (text: string) => {
  const output = parsed(text);
  return output.segments.map(({ kind, start, end, closed, code }) => {
    const held = output.text.slice(start, end);
    const body = code ? [output.text.slice(code.start, code.end) + (code.closed ? '' : ' (open)')] : [];
    return [closed ? kind : `open ${kind}`, held, ...body];
  });
};

const fragment = fc.oneof(
  fc.constantFrom('<think>', '</think>', '<tool_call>', '</tool_call>', '<code>', '</code>', '<answer>', '</answer>'),
  fc.constantFrom('<tool_response>', '\n<tool_response>', search, `<tool_call>${search}\n</tool_call>`, '{}', '{', '}'),
  fc.constantFrom('"', '\\', '\n', ' ', '<', '</', 'words. ', '😀', '\ud83d', '\ude00', '\0', 'again '.repeat(450)),
  fc.string({ unit: 'binary', maxLength: 5 }),
);
const ugly = fc.array(fragment, { maxLength: 25 }).map((parts) => parts.join(''));

describe('OutputParser', () => {
  it('comes to the same whatever the pieces, over 1,000 ugly texts', () => {
    fc.assert(
      fc.property(ugly, fc.array(fc.nat(), { maxLength: 12 }), (text, cuts) => {
        const whole = parsed(text);
        expect(
          parsed(
            text,
            cuts.map((cut) => cut % (text.length + 1)),
          ),
        ).toEqual(whole);
        if (text.length < 400) expect(parsed(text, [...Array(text.length).keys()])).toEqual(whole);
      }),
      { numRuns: 1_000 },
    );
  });

  it('gives segments in order, apart, within the text, and a text that can be stored, over 1,000 ugly texts', () => {
    fc.assert(
      fc.property(ugly, (text) => {
        const { segments, text: kept, certain, repetition } = parsed(text);
        let behind = 0;
        for (const { from, start, end, to, code } of segments) {
          const offsets = [
            behind,
            from,
            start,
            ...(code ? [code.from, code.start, code.end] : []),
            end,
            to,
            kept.length,
          ];
          expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
          behind = to;
        }
        expect(kept.isWellFormed() && !kept.includes('\0')).toBe(true);
        expect(kept).toHaveLength(repetition?.end ?? certain.length);
      }),
      { numRuns: 1_000 },
    );
  });

  it('puts together characters whose halves come apart', () => {
    expect(parsed('<answer>😀</answer>', [9])).toMatchObject({ text: '<answer>😀</answer>' });
    expect(parsed('a\ud83d b\0').text).toBe('a\ufffd b\ufffd');
  });

  it.each([
    [
      'a thought and a call',
      `<think>t</think>\n<tool_call>\n${search}\n</tool_call>`,
      [
        ['think', 't'],
        ['call', `\n${search}\n`],
      ],
    ],
    [
      'tags without line breaks between',
      `<think></think><tool_call>${search}</tool_call>`,
      [
        ['think', ''],
        ['call', search],
      ],
    ],
    [
      'a call in a thought',
      '<think>a <tool_call>{}</tool_call> b</think>',
      [['think', 'a <tool_call>{}</tool_call> b']],
    ],
    [
      'a thought whose beginning stood in the prompt',
      'a <tool_call>{ b</think><answer>c</answer>',
      [
        ['think', 'a <tool_call>{ b'],
        ['answer', 'c'],
      ],
    ],
    [
      'an end of thinking in the string of a call',
      '<tool_call>{"a":"</think>"}</tool_call>',
      [['call', '{"a":"</think>"}']],
    ],
    ['an end of thinking behind thinking', '<think>a</think>b</think>c', [['think', 'a']]],
    ['a thought that never ends', '<think>a <answer>b</answer>', [['open think', 'a <answer>b</answer>']]],
    [
      'a program',
      '<tool_call>{}\n<code>\nif a < b: print("</code>")\n</code>\n</tool_call>',
      [['call', '{}\n<code>\nif a < b: print("</code>")\n</code>\n', '\nif a < b: print("</code>")\n']],
    ],
    [
      'a program that never ends',
      '<tool_call>{}<code>1</tool_call>',
      [['open call', '{}<code>1</tool_call>', '1</tool_call> (open)']],
    ],
    ['a call without its closing tag', '<tool_call>{"a": 1}\n', [['open call', '{"a": 1}\n']]],
    [
      'a call of broken JSON',
      '<tool_call>{"a": </tool_call><answer>b</answer>',
      [
        ['call', '{"a": '],
        ['answer', 'b'],
      ],
    ],
    [
      'a string that a line break breaks',
      '<tool_call>{"a": "b\n</tool_call><think>c',
      [
        ['call', '{"a": "b\n'],
        ['open think', 'c'],
      ],
    ],
    ['a call that is no object', '<tool_call>[1]</tool_call>', [['call', '[1]']]],
    ['words behind the JSON', '<tool_call>{} so</tool_call>', [['call', '{} so']]],
    [
      'an answer about tags',
      '<answer>Write <tool_call> and <think>.</answer>',
      [['answer', 'Write <tool_call> and <think>.']],
    ],
    [
      'a call in an answer that never ends',
      '<answer>a <tool_call>{}</tool_call><answer>b',
      [
        ['open answer', 'a '],
        ['call', '{}'],
        ['open answer', 'b'],
      ],
    ],
    ['what is behind a stop string', '<answer>a\n<tool_response>b</answer>', [['open answer', 'a']]],
    ['no tag at all', 'a < b </tool_cal', []],
  ])('finds %s', (_, text, segments) => {
    expect(segmentsIn(text)).toEqual(segments);
  });

  it('reads a hundred thousand unclosed answers and calls in linear time', () => {
    const text = '<answer><tool_call>{}</tool_call>'.repeat(100_000).replaceAll('{}', () => `{"n":${Math.random()}}`);
    expect(parsed(text).segments.length).toBeGreaterThan(0);
  });

  it('stops where text runs in a circle and keeps one round of it', () => {
    const parser = new OutputParser([]);
    parser.push(`<think>Let me see. ${'I should search. '.repeat(1_000)}`);
    expect(parser.stopped).toBe(true);
    expect(parser.push('more')).toBe('');
    expect(parser.end()).toMatchObject({
      text: '<think>Let me see. I should search',
      segments: [{ kind: 'think', closed: false }],
      repetition: { unit: '. I should search', times: expect.any(Number) },
    });
  });
});
