import { describe, expect, it } from '@jest/globals';
import type { Answer, Answering, Bell, Doorbell, Ring } from './doorbell.ts';
import { answerAsOne } from './one-worker.ts';

/** A doorbell whose rings a test hands to their answers, and which says what it was told. */
class HandRung implements Doorbell {
  readonly answers = new Map<Bell, Answer>();
  readonly told: string[] = [];

  async answer(bell: Bell, answer: Answer): Promise<Answering> {
    this.answers.set(bell, answer);
    return {
      close: async ({ abortAfterMs } = {}) => void this.told.push(`${bell} closes after ${abortAfterMs}`),
      pause: (paused) => void this.told.push(`${bell} ${paused ? 'pauses' : 'hears'}`),
    };
  }

  async rung(bell: Bell, key: string, signal = new AbortController().signal): Promise<void> {
    const ring: Ring = { bell, tenantId: 'acme', runId: 'run-1', key };
    await this.answers.get(bell)?.(ring, signal);
  }

  async ring(): Promise<void> {}
  async withdraw(): Promise<void> {}
  async close(): Promise<void> {}
}

describe('a worker that answers several bells', () => {
  const bells: readonly Bell[] = ['calls-search', 'calls-visit'];

  async function begin(slots: number) {
    const doorbell = new HandRung();
    const begun: string[] = [];
    const gates = new Map<string, () => void>();
    const answer: Answer = async ({ key }) => {
      begun.push(key);
      await new Promise<void>((resolve) => gates.set(key, resolve));
    };
    const answering = await answerAsOne(doorbell, bells, answer, { concurrency: slots });
    return { doorbell, begun, answering, end: (key: string) => gates.get(key)?.() };
  }

  it('hears none of them while all its slots are taken, and all of them as soon as one is free', async () => {
    const { doorbell, end } = await begin(2);
    const [first, second] = [doorbell.rung('calls-search', 'a'), doorbell.rung('calls-visit', 'b')];
    expect(doorbell.told).toEqual(['calls-search pauses', 'calls-visit pauses']);
    end('a');
    await first;
    expect(doorbell.told.slice(2)).toEqual(['calls-search hears', 'calls-visit hears']);
    end('b');
    await second;
  });

  it('begins a ring that came in the moment it was full when a slot is free, and not before', async () => {
    const { doorbell, begun, end } = await begin(1);
    const first = doorbell.rung('calls-search', 'a');
    const late = doorbell.rung('calls-visit', 'b');
    expect(begun).toEqual(['a']);
    end('a');
    await first;
    await new Promise(setImmediate);
    expect(begun).toEqual(['a', 'b']);
    end('b');
    await late;
  });

  it('has a waiting ring answered at once when it is to be given up, so that it is handed back', async () => {
    const { doorbell, begun, end } = await begin(1);
    const first = doorbell.rung('calls-search', 'a');
    const stop = new AbortController();
    const late = doorbell.rung('calls-visit', 'b', stop.signal);
    stop.abort();
    await new Promise(setImmediate);
    expect(begun).toEqual(['a', 'b']);
    for (const key of begun) end(key);
    await Promise.all([first, late]);
  });

  it('stays deaf while it drains, whether it has slots or not, and closes every bell', async () => {
    const { doorbell, answering, end } = await begin(1);
    const first = doorbell.rung('calls-search', 'a');
    answering.pause(true);
    end('a');
    await first;
    expect(doorbell.told).toEqual(['calls-search pauses', 'calls-visit pauses']);
    answering.pause(false);
    expect(doorbell.told.slice(2)).toEqual(['calls-search hears', 'calls-visit hears']);
    await answering.close({ abortAfterMs: 5 });
    expect(doorbell.told.slice(4)).toEqual(['calls-search closes after 5', 'calls-visit closes after 5']);
  });
});
