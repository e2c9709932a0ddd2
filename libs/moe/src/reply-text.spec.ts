import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChannelSplitter, type Piece } from './channels.ts';
import { Detokenizer } from './detokenize.ts';
import { StopFinder } from './stop.ts';

/** Cuts a list at random places. */
const cutsOf = (length: number) =>
  fc.array(fc.nat(length), { maxLength: 12 }).map((cuts) => cuts.toSorted((a, b) => a - b));

function pieces<T extends { slice(from: number, to?: number): T }>(whole: T, cuts: readonly number[]): T[] {
  return [...cuts, undefined].map((end, i) => whole.slice(cuts[i - 1] ?? 0, end));
}

describe('text of tokens', () => {
  const detokenized = (tokens: readonly Uint8Array[]): string[] => {
    const detokenizer = new Detokenizer((id) => tokens[id] ?? new Uint8Array());
    return [...tokens.map((_, id) => detokenizer.push(id)), detokenizer.end()];
  };

  it('is the same wherever tokens begin and end, and never ends with half a character', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 30 });
    fc.assert(
      fc.property(
        texts.chain((text) => fc.tuple(fc.constant(text), cutsOf(Buffer.byteLength(text)))),
        ([text, cuts]) => {
          const whole = text.toWellFormed();
          const deltas = detokenized(pieces(new Uint8Array(Buffer.from(whole)), cuts));
          expect(deltas.join('')).toBe(whole);
          for (const delta of deltas) expect(delta.isWellFormed()).toBe(true);
        },
      ),
    );
  });

  it('holds the four bytes of one character until the last of them', () => {
    const bytes = [...Buffer.from('🚀')].map((byte) => Uint8Array.of(byte));
    expect(detokenized(bytes)).toEqual(['', '', '', '🚀', '']);
  });

  it('replaces what is no UTF-8 and what is never completed', () => {
    expect(detokenized([Uint8Array.of(0xff), Uint8Array.of(0x61)])).toEqual(['\ufffd', 'a', '']);
    expect(detokenized([Uint8Array.of(0xf0, 0x9f)])).toEqual(['', '\ufffd']);
    expect(detokenized([Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)]).join('')).toBe('\ufeffa');
  });
});

describe('stop strings', () => {
  const run = (stops: readonly string[], parts: readonly string[]): { text: string; stop: string | null } => {
    const finder = new StopFinder(stops);
    let text = '';
    for (const part of parts) {
      const passed = finder.push(part);
      text += passed.text;
      if (passed.stop !== null) return { text, stop: passed.stop };
    }
    return { text: text + finder.end(), stop: null };
  };

  it('end the text before themselves, across any borders', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '<'), maxLength: 24 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '<'), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(
        letters.chain((text) => fc.tuple(fc.constant(text), cutsOf(text.length))),
        stops,
        ([text, cuts], given) => {
          const first = Math.min(...given.map((stop) => text.indexOf(stop)).filter((at) => at >= 0));
          const found = run(given, pieces(text, cuts));
          // A shorter stop string that is complete earlier ends the text before a longer one, which begins before it, is.
          if (found.stop === null) expect({ first, text: found.text }).toEqual({ first: Infinity, text });
          else expect(text.startsWith(found.text + found.stop)).toBe(true);
        },
      ),
    );
  });

  it('say which one it was', () => {
    expect(run(['\n<tool_response>', '<tool_response>'], ['call', '\n', '<tool_res', 'ponse>x'])).toEqual({
      text: 'call',
      stop: '\n<tool_response>',
    });
  });

  it('give everything that only began like one, as soon as it cannot become one', () => {
    const finder = new StopFinder(['<stop>']);
    expect(finder.push('a<st')).toEqual({ text: 'a', stop: null });
    expect(finder.push('ay')).toEqual({ text: '<stay', stop: null });
    expect(finder.push('<')).toEqual({ text: '', stop: null });
    expect(finder.end()).toBe('<');
  });
});

describe('the channels of a reply', () => {
  const joined = (all: readonly Piece[]): Piece[] => {
    const merged: Piece[] = [];
    for (const { channel, text } of all) {
      const last = merged.at(-1);
      if (last?.channel === channel) merged[merged.length - 1] = { channel, text: last.text + text };
      else merged.push({ channel, text });
    }
    return merged;
  };
  const split = (prompt: string, parts: readonly string[]): Piece[] => {
    const splitter = new ChannelSplitter(prompt);
    return joined([...parts.flatMap((part) => splitter.push(part)), ...splitter.end()]);
  };
  const reply = 'so <think>a < b</think>\n<answer>b</answer> <think>never closed';
  const parts: Piece[] = [
    { channel: 'content', text: 'so ' },
    { channel: 'reasoning', text: '<think>a < b</think>' },
    { channel: 'content', text: '\n<answer>b</answer> ' },
    { channel: 'reasoning', text: '<think>never closed' },
  ];

  it('part at the tags, which belong to the reasoning, wherever the pieces are cut', () => {
    fc.assert(fc.property(cutsOf(reply.length), (cuts) => expect(split('', pieces(reply, cuts))).toEqual(parts)));
  });

  it('start in the reasoning where the prompt opened it', () => {
    expect(split('<|im_start|>assistant\n<think>\n', ['a</th', 'ink>b'])).toEqual([
      { channel: 'reasoning', text: 'a</think>' },
      { channel: 'content', text: 'b' },
    ]);
  });

  it('give the end of a text that only began like a tag', () => {
    expect(split('', ['a<thi'])).toEqual([{ channel: 'content', text: 'a<thi' }]);
  });
});
