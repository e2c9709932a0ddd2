import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { sseOf } from './sse.ts';

const never = new AbortController().signal;
const large = `data: ${'x'.repeat(200_000)}\n\n`;

async function* chunks(count: number, left: () => void): AsyncGenerator<string> {
  try {
    for (let n = 0; n < count; n++) yield large;
  } finally {
    left();
  }
}

describe('sseOf', () => {
  it('cuts off a client that takes nothing, and lets go of what it was told', async () => {
    const gone = Promise.withResolvers<void>();
    const stream = sseOf(chunks(1_000, gone.resolve), { heartbeatMs: 10_000, stallMs: 30, ends: never });
    stream.read(0);
    await expect(once(stream, 'close')).rejects.toThrow('takes nothing');
    await gone.promise;
    expect(stream.destroyed).toBe(true);
  });

  it('gives everything to one that takes it, with comments while there is nothing', async () => {
    const waiting = Promise.withResolvers<void>();
    async function* quiet(): AsyncGenerator<string> {
      yield large;
      await waiting.promise;
      yield* chunks(20, () => undefined);
    }
    const stream = sseOf(quiet(), { heartbeatMs: 5, stallMs: 10_000, ends: never });
    let [bytes, comments] = [0, 0];
    for await (const piece of stream as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (String(piece).startsWith(':')) comments++;
      if (comments === 3) waiting.resolve();
    }
    expect(comments).toBeGreaterThanOrEqual(3);
    expect(bytes).toBeGreaterThanOrEqual(21 * large.length);
  });
});
