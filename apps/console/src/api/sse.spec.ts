import { describe, expect, it } from '@jest/globals';
import { SseReader } from './sse.ts';

const stream = `id: 1\nevent: run.accepted\ndata: {"question":"Why \\n é 🚢?"}\n\n: still here\n\nevent: delta\ndata: {"step":0,"text":"a"}\n\n`;
const events = [
  { id: 1, type: 'run.accepted', data: { question: 'Why \n é 🚢?' } },
  { id: null, type: 'delta', data: { step: 0, text: 'a' } },
];

describe('a stream of server-sent events', () => {
  it.each([1, 2, 3, 7, 1_000])('is read the same in pieces of %d characters', (size) => {
    const reader = new SseReader();
    const pieces = stream.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
    expect(pieces.flatMap((piece) => reader.push(piece))).toEqual(events);
  });

  it('gives no event before its end has come', () => {
    expect(new SseReader().push('id: 1\nevent: run.started\ndata: {}\n')).toEqual([]);
  });
});
