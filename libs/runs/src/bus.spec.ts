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

  it('ends without a hint when the time is up', async () => {
    const hint = awaitHint(new LocalBus(), 'a', 1, never);
    await hint.came;
    hint.drop();
  });

  it('ends without a hint when the signal fires, or had fired before', async () => {
    const stop = new AbortController();
    const waiting = awaitHint(new LocalBus(), 'a', aLongTime, stop.signal);
    stop.abort();
    const late = awaitHint(new LocalBus(), 'a', aLongTime, stop.signal);
    await Promise.all([waiting.came, late.came]);
    waiting.drop();
    late.drop();
  });

  it('ends when it is dropped', async () => {
    const hint = awaitHint(new LocalBus(), 'a', aLongTime, never);
    hint.drop();
    await hint.came;
  });
});
