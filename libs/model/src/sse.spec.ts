import { describe, expect, it } from '@jest/globals';
import { sseData } from './sse.ts';

async function read(...chunks: Uint8Array[]): Promise<string[]> {
  async function* stream() {
    yield* chunks;
  }
  const events: string[] = [];
  for await (const event of sseData(stream())) events.push(event);
  return events;
}
const bytes = (text: string) => new TextEncoder().encode(text);

const STREAM =
  '\ufeff: ping\r\ndata: {"a":"é漢😀"}\r\n\r\nevent: x\rdata:one\rdata: two\r\rid: 1\ndatabase: no\ndata\n\n\n\ndata:  spaced\n\ndata: x\r\ndata: y\r\n\r\n';
const EVENTS = ['{"a":"é漢😀"}', 'one\ntwo', '', ' spaced', 'x\ny'];

describe('sseData', () => {
  it('reads the same events at every border of two chunks', async () => {
    const all = bytes(STREAM);
    for (let cut = 0; cut <= all.length; cut++) {
      expect(await read(all.subarray(0, cut), all.subarray(cut))).toEqual(EVENTS);
    }
  });

  it('reads the same events byte by byte', async () => {
    expect(await read(...[...bytes(STREAM)].map((byte) => Uint8Array.of(byte)))).toEqual(EVENTS);
  });

  it('gives a last event that has no blank line behind it', async () => {
    expect(await read(bytes('data: a\n\ndata: [DONE]'))).toEqual(['a', '[DONE]']);
  });

  it('reads on behind bytes that are no UTF-8', async () => {
    expect(await read(bytes('data: a'), Uint8Array.of(0xf0, 0x9f), bytes('b\n\ndata: c\n\n'))).toEqual([
      'a\ufffdb',
      'c',
    ]);
  });

  it('gives nothing for an empty stream', async () => {
    expect(await read()).toEqual([]);
  });
});
