import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { acceptanceOf, reportOf } from '../../../test/support/research.ts';
import { LocalBus } from './bus.ts';
import type { Doorbell } from './doorbell/doorbell.ts';
import { Runs } from './runs.ts';
import { type Claim, claim } from './store/claims.ts';
import type { Database, Statements } from './store/database.ts';
import { describeStores, type Stores } from './store/stores.contract.ts';
import { renewLease } from './store/workers.ts';

const never = new AbortController().signal;
const tenantId = 'acme';
const settings = { leaseMs: 600_000, relookMs: 600_000, pollMs: 20 };

/** The same database, which tells of every statement about a tenant before it is sent. */
function overheard(database: Database, hear: (text: string) => void): Database {
  const forTenant = (tenant: string): Statements => {
    const door = database.forTenant(tenant);
    return {
      query: async (text, values) => {
        hear(text);
        return await door.query(text, values);
      },
    };
  };
  const { script, query, transaction, close } = database;
  const own = { script, query, transaction, close };
  const bound = Object.fromEntries(Object.entries(own).map(([name, method]) => [name, method.bind(database)]));
  return { ...(bound as typeof own), forTenant }; // the same methods
}

describeStores((stores: () => Stores) => {
  let doorbell: Doorbell;
  let runs: Runs;
  let made = 0;
  let heard: string[] = [];
  /** Thrown by the next statements, while there are any. */
  let faults: Error[] = [];

  function runsOver(bus = stores().bus, pollMs = settings.pollMs): Runs {
    const database = overheard(stores().database, (text) => {
      heard.push(text);
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
    });
    return new Runs({ database, doorbell, bus, tail: stores().tail }, { ...settings, pollMs });
  }

  beforeEach(async () => {
    doorbell = await stores().doorbell();
    [runs, heard, faults] = [runsOver(), [], []];
    await renewLease(stores().database, { workerId: 'agent', role: 'agent-worker', slots: 1 }, 600_000);
  });
  afterEach(async () => {
    await doorbell.close();
    await stores().database.script('TRUNCATE argosy.steps, argosy.events, argosy.tool_calls, argosy.runs');
  });

  /** A run with three events. */
  async function started(): Promise<Claim> {
    made += 1;
    await runs.accept(acceptanceOf(tenantId, `run-${made}`));
    const owner = await claim(stores().database, tenantId, `run-${made}`, 'agent');
    if (owner === null) throw new Error('A new run can be claimed.');
    return owner;
  }
  const tell = async (run: Claim, count: number): Promise<void> => {
    await runs.commit(run, { events: Array.from({ length: count }, () => ({ type: 'step.started', data: {} })) });
  };
  const end = async (run: Claim): Promise<void> => {
    const outcome = { state: 'completed', report: reportOf(run.runId) } as const;
    await runs.commit(run, { events: [{ type: 'run.completed', data: {} }], outcome });
  };
  async function seen(run: Claim, after: number, watched = runs): Promise<number[]> {
    const numbers: number[] = [];
    for await (const { seq } of watched.events(tenantId, run.runId, after, never)) numbers.push(seq);
    return numbers;
  }
  const from = (first: number, last: number) =>
    Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

  it('gives whoever comes, at any time and from any number on, exactly the rest', async () => {
    // Between two watchers who come, some events are committed.
    const comers = fc.array(fc.record({ after: fc.nat(30), events: fc.nat(4) }), { minLength: 1, maxLength: 8 });
    const property = fc.asyncProperty(comers, async (watchers) => {
      const run = await started();
      const following: Promise<number[]>[] = [];
      for (const { after, events } of watchers) {
        following.push(seen(run, after));
        if (events > 0) await tell(run, events);
      }
      await end(run);
      const last = 4 + watchers.reduce((sum, { events }) => sum + events, 0);
      expect(await Promise.all(following)).toEqual(watchers.map(({ after }) => from(after + 1, last)));
    });
    await fc.assert(property, { numRuns: 25, seed: 7 });
  });

  it('looks at the database once for all who watch one run', async () => {
    const run = await started();
    const first = Array.from({ length: 50 }, () => runs.events(tenantId, run.runId, 3, never));
    // All of them wait when the first event comes.
    const waiting = first.map((events) => events.next());
    const others = Array.from({ length: 50 }, () => seen(run, 3));
    for (let i = 0; i < 10; i++) await tell(run, 1);
    await Promise.all(waiting);
    await end(run);
    for (const numbers of await Promise.all(others)) expect(numbers).toEqual(from(4, 14));
    await Promise.all(first.map((events) => events.return(undefined)));
    expect(heard.filter((text) => text.includes('FROM argosy.events')).length).toBeLessThan(40);
  });

  it('reads the database for a watcher that falls behind what is kept, and holds up nobody for it', async () => {
    const run = await started();
    const slow = runs.events(tenantId, run.runId, 0, never);
    expect((await slow.next()).value).toMatchObject({ seq: 1 });
    const quick = seen(run, 0);
    for (let i = 0; i < 3; i++) await tell(run, 250);
    await end(run);
    expect(await quick).toEqual(from(1, 754));
    const rest: number[] = [];
    for await (const { seq } of slow) rest.push(seq);
    expect(rest).toEqual(from(2, 754));
  });

  it('finds by itself what no hint told of', async () => {
    const run = await started();
    const following = seen(run, 0, runsOver(new LocalBus()));
    await tell(run, 2);
    await end(run);
    expect(await following).toEqual(from(1, 6));
  });

  it('asks for many quiet runs in one statement, and for none when nobody watches', async () => {
    const quiet = [await started(), await started(), await started(), await started(), await started()];
    const leave = new AbortController();
    const following = quiet.map(async ({ runId }) => {
      for await (const _ of runs.events(tenantId, runId, 3, leave.signal)) throw new Error('Nothing was committed.');
    });
    const polls = () => heard.filter((text) => text.includes('ANY($2::text[])')).length;
    await expectSoon(() => polls() >= 5 + 3);
    leave.abort();
    await Promise.all(following);
    const left = polls();
    await tell(quiet[0] as Claim, 1);
    expect(polls() - left).toBeLessThanOrEqual(1);
  });

  it('ends when the run is gone', async () => {
    const run = await started();
    const events = runs.events(tenantId, run.runId, 3, never);
    const next = events.next();
    await stores().database.query('DELETE FROM argosy.runs WHERE run_id = $1', [run.runId]);
    expect(await next).toEqual({ done: true, value: undefined });
  });

  describe('when the database is away', () => {
    it('goes on where it was if it comes back soon', async () => {
      const run = await started();
      faults = [new Error('away'), new Error('away')];
      const following = seen(run, 0);
      await tell(run, 1);
      await end(run);
      expect(await following).toEqual(from(1, 5));
    });

    it('tells all who watch if it does not, and serves those who come after', async () => {
      const run = await started();
      faults = Array.from({ length: 3 }, () => new Error('away'));
      const following = [seen(run, 3), seen(run, 3)];
      for (const watcher of following) await expect(watcher).rejects.toThrow('away');
      const again = seen(run, 0);
      await end(run);
      expect(await again).toEqual(from(1, 4));
    });
  });
});

/** Waits for something that comes without an event. */
async function expectSoon(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('It did not come about within 10 s.');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
