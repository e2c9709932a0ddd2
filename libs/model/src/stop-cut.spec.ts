import { expect, it } from '@jest/globals';
import { StopCut } from './stop-cut.ts';

const STOPS = ['\n<tool_response>', '<tool_response>'];
const play = (pieces: readonly string[]) => {
  const cut = new StopCut(STOPS);
  return { text: pieces.map((piece) => cut.push(piece)).join('') + cut.end(), stopped: cut.stopped };
};

it.each([
  ['at the earliest stop', 'call\n<tool_response>\nmade up', { text: 'call', stopped: true }],
  ['at a stop without its line break', 'call<tool_response>', { text: 'call', stopped: true }],
  ['nowhere when a stop only begins', 'a\n<tool_res', { text: 'a\n<tool_res', stopped: false }],
  ['behind a near miss', '\n<tool_<tool_response>s', { text: '\n<tool_', stopped: true }],
])('cuts %s, whatever the pieces', (_, text, expected) => {
  for (let at = 0; at <= text.length; at++) expect(play([text.slice(0, at), text.slice(at)])).toEqual(expected);
  expect(play([...text])).toEqual(expected);
});

it('gives text that cannot become a stop at once', () => {
  const cut = new StopCut(STOPS);
  expect(cut.push('abc')).toBe('abc');
  expect(cut.push('d\n<to')).toBe('d');
  expect(cut.push('p')).toBe('\n<top');
});
