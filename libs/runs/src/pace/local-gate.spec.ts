import { describe, expect, it } from '@jest/globals';
import { LocalBus } from '../bus.ts';
import { dayMs } from './gate.ts';
import { LocalGate } from './local-gate.ts';
import { describePace } from './pace.contract.ts';

describePace('within one process', (holdMs) => {
  const opened = { gate: new LocalGate(() => Date.now(), holdMs), bus: new LocalBus() };
  return () => opened;
});

const rule = { perSecond: 1, burst: 2, parallel: 9, perDay: 3 };

describe('the gate of one process', () => {
  it('begins a new quota at midnight UTC, and not before', async () => {
    let now = Date.UTC(2026, 1, 28, 23, 59, 50);
    const gate = new LocalGate(() => now);
    const taken: boolean[] = [];
    for (; now < Date.UTC(2026, 2, 1, 0, 0, 2); now += 1_000) taken.push((await gate.take('host', rule)).granted);
    expect(taken).toEqual([...[true, true, true], ...Array.from({ length: 7 }, () => false), true, true]);
  });

  it('says how long until midnight when a quota is used up', async () => {
    const now = Date.UTC(2026, 1, 28, 18);
    const gate = new LocalGate(() => now);
    await gate.take('host', { ...rule, perDay: 1 });
    expect(await gate.take('host', { ...rule, perDay: 1 })).toEqual({
      granted: false,
      why: 'quota',
      retryAfterMs: dayMs / 4,
    });
  });

  it('is closed for no longer than its rule can, when the clock was set back', async () => {
    let now = Date.UTC(2026, 0, 2);
    const gate = new LocalGate(() => now);
    for (let i = 0; i < 2; i++) await gate.take('host', { ...rule, perDay: null });
    now -= dayMs;
    expect(await gate.take('host', { ...rule, perDay: null })).toMatchObject({ why: 'rate', retryAfterMs: 1_000 });
  });

  it('forgets keys that nobody uses any more, and none that says something', async () => {
    let now = Date.UTC(2026, 0, 2);
    const gate = new LocalGate(() => now);
    await gate.take('counted', { ...rule, perDay: 1 });
    await gate.rest('resting', 100_000);
    const unused = Array.from({ length: 3_000 }, (_, n) => `host-${n}`);
    for (const key of unused) {
      const look = await gate.take(key, { ...rule, perDay: null });
      if (look.granted) await look.give();
      now += 10;
    }
    expect(gate.size).toBeLessThan(2_000);
    expect(await gate.take('counted', { ...rule, perDay: 1 })).toMatchObject({ why: 'quota' });
    expect(await gate.take('resting', rule)).toMatchObject({ why: 'resting' });
  });
});
