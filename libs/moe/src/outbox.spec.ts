import { expect, it } from '@jest/globals';
import { type GenerationEvent, Outbox } from './outbox.ts';

const delta = (id: number) =>
  ({ kind: 'delta', text: `${id} `, tokenIds: [id], channel: 'content', logprobs: [] }) as const;
const finished = {
  reason: 'stop',
  stop: null,
  promptTokens: 1,
  cachedTokens: 0,
  completionTokens: 1,
  shareMs: 0,
} as const;

it('joins what a slow reader has not taken, to messages that pass: nothing is lost, and none is large', async () => {
  const outbox = new Outbox();
  const ids = Array.from({ length: 10_000 }, (_, id) => id);
  for (const id of ids) outbox.put(delta(id));
  outbox.put({ kind: 'finished', ...finished });
  const events: GenerationEvent[] = [];
  for await (const event of outbox) events.push(event);
  const deltas = events.flatMap((event) => (event.kind === 'delta' ? [event] : []));
  expect(deltas.map(({ tokenIds }) => tokenIds.length)).toEqual([4_096, 4_096, 1_808]);
  expect(deltas.flatMap(({ tokenIds }) => tokenIds)).toEqual(ids);
  expect(deltas.map(({ text }) => text).join('')).toBe(ids.map((id) => `${id} `).join(''));
});
