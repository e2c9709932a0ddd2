import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import type { Answering } from './doorbell/doorbell.ts';
import { Membership } from './membership.ts';
import type { Rows, Statements } from './store/database.ts';
import { Working } from './working.ts';

/** Leases in a database that can go away. */
class Leases implements Statements {
  away = false;
  drains = false;
  readonly alive = new Map<unknown, unknown>();

  async query<R>(text: string, [workerId, , slots]: readonly unknown[] = []): Promise<Rows<R>> {
    if (this.away) throw new Unavailable('the database is away');
    if (text.startsWith('DELETE')) this.alive.delete(workerId);
    else this.alive.set(workerId, slots);
    return { rows: [{ drains: this.drains }] as R[], changed: 1 };
  }
}

/** Answers nothing, and tells when it was closed and how. */
class Silence implements Answering {
  readonly closed: (number | undefined)[] = [];
  readonly paused: boolean[] = [];
  readonly onClose: () => Promise<void>;
  constructor(onClose: () => Promise<void> = async () => undefined) {
    this.onClose = onClose;
  }
  async close({ abortAfterMs }: { readonly abortAfterMs?: number } = {}): Promise<void> {
    this.closed.push(abortAfterMs);
    await this.onClose();
  }
  pause(paused: boolean): void {
    this.paused.push(paused);
  }
}

describe('Working', () => {
  const running: Working[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop(0)));
  });

  async function begin(leases: Leases, leaseMs: number, answering = () => new Silence()) {
    const lives: { member: Membership; answering: Silence; leaving: AbortSignal }[] = [];
    const complaints: unknown[] = [];
    let joins = 0;
    const working = await Working.begin({
      join: async () => {
        joins += 1;
        return await Membership.begin(leases, { workerId: `w-${joins}`, role: 'r', slots: 4 }, leaseMs);
      },
      answer: async (member, leaving) => {
        const life = { member, answering: answering(), leaving };
        lives.push(life);
        return [life.answering];
      },
      onLost: (reason) => complaints.push(reason),
    });
    running.push(working);
    return { working, lives, complaints };
  }

  it('joins again as somebody else when its lease was lost, and lets the old answers go', async () => {
    const leases = new Leases();
    const { lives, complaints } = await begin(leases, 30);
    leases.away = true;
    const [first] = lives;
    if (first === undefined) throw new Error('It began.');
    await once(first.member.lost, 'abort');
    leases.away = false;
    while (lives.length < 2) await new Promise(setImmediate);
    expect(first.answering.closed).toEqual([0]);
    expect(lives[1]?.member.workerId).not.toBe(first.member.workerId);
    expect(complaints[0]).toBeInstanceOf(Unavailable);
  });

  it('takes nothing while it is to drain, says so to the fleet, and takes work again when it may', async () => {
    const leases = new Leases();
    // A busy machine renews it late, and must not lose it for that.
    const { working, lives } = await begin(leases, 1_500);
    const { answering } = lives[0] ?? { answering: new Silence() };
    leases.drains = true;
    while (answering.paused.length < 1 || leases.alive.get('w-1') !== 0) await new Promise(setImmediate);
    leases.drains = false;
    while (answering.paused.length < 2 || leases.alive.get('w-1') !== 4) await new Promise(setImmediate);
    expect(answering.paused).toEqual([true, false]);
    leases.drains = true;
    while (answering.paused.length < 3) await new Promise(setImmediate);
    leases.drains = false;
    await working.stop(0);
    expect([answering.paused.length, answering.closed]).toEqual([3, [0]]);
  });

  it('leaves: says so to its work and the fleet, waits for the steps under way, then gives the lease up', async () => {
    const leases = new Leases();
    let slotsWhileClosing: unknown;
    const closing = async () => {
      await new Promise(setImmediate);
      slotsWhileClosing = leases.alive.get('w-1');
    };
    const { working, lives } = await begin(leases, 60_000, () => new Silence(closing));
    expect(lives[0]?.leaving.aborted).toBe(false);
    await working.stop(10_000);
    expect(lives[0]?.leaving.aborted).toBe(true);
    expect(lives[0]?.answering.closed).toEqual([8_000]);
    expect([slotsWhileClosing, leases.alive.size]).toEqual([0, 0]);
  });

  it('leaves also while the database is away', async () => {
    const leases = new Leases();
    const { working } = await begin(leases, 60_000);
    leases.away = true;
    await working.stop(10_000);
  });

  it('does not begin, and keeps no lease, when it cannot answer', async () => {
    const leases = new Leases();
    const failing = () => {
      throw new Unavailable('Redis is away');
    };
    await expect(begin(leases, 60_000, failing)).rejects.toThrow('Redis is away');
    expect(leases.alive.size).toBe(0);
  });
});
