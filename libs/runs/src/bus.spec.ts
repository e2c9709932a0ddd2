import { describe, expect, it } from '@jest/globals';
import { awaitHint, LocalBus } from './bus.ts';

const never = new AbortController().signal;
const aLongTime = 60_000;

describe('LocalBus', () => {
  it('brings a message to every listener of its topic, until each has ended', () => {
    const bus = new LocalBus();
    const heard: string[] = [];
    const end = bus.subscribe('a', (message) => heard.push(`1 ${message}`));
    bus.subscribe('a', (message) => heard.push(`2 ${message}`));
    bus.subscribe('b', () => heard.push('other topic'));
    bus.publish('a', 'x');
    end();
    bus.publish('a');
    expect(heard).toEqual(['1 x', '2 x', '2 ']);
  });
});

describe('awaitHint', () => {
  it('keeps a hint that came before anyone awaited it', async () => {
    const bus = new LocalBus();
    const hint = awaitHint(bus, 'a', aLongTime, never);
    bus.publish('a');
    await hint.came;
    hint.drop();
  });

  it.each<[string, (stop: AbortController) => { limitMs: number; before?: true }]>([
    ['the time is up', () => ({ limitMs: 1 })],
    ['the signal fires', (stop) => (queueMicrotask(() => stop.abort()), { limitMs: aLongTime })],
    ['the signal had fired before', (stop) => (stop.abort(), { limitMs: aLongTime })],
  ])('ends without a hint when %s', async (_when, arrange) => {
    const stop = new AbortController();
    const hint = awaitHint(new LocalBus(), 'a', arrange(stop).limitMs, stop.signal);
    await hint.came;
    hint.drop();
  });

  it('ends when it is dropped', async () => {
    const hint = awaitHint(new LocalBus(), 'a', aLongTime, never);
    hint.drop();
    await hint.came;
  });
});
