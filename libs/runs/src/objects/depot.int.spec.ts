/** What becomes of bytes and of the rows that name them, whatever happens in between. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidState, Unavailable } from '#errors';
import { type ObjectServer, startObjectServer } from '../../../../test/support/object-server.ts';
import { acceptanceOf, asked, observationOf, placed, searchOf, sha256Of } from '../../../../test/support/research.ts';
import { type FreshDatabase, freshDatabase, sharedRedisUrl } from '../../../../test/support/servers.ts';
import type { FleetRuns } from '../fleet/open.ts';
import { PgDatabase } from '../fleet/pg-database.ts';
import { fleetSettings, openFleet } from '../index.ts';
import { getTexts, putTexts } from '../store/blobs.ts';
import { claim } from '../store/claims.ts';
import { ObjectSweep } from './loose.ts';
import { StoredBytesLost } from './object-store.ts';
import { signatureFault, testSettings } from './s3.contract.ts';
import { S3Store } from './s3.ts';

const tenantId = 't';
const textsOf = (...words: string[]) => new Map(words.map((word) => [sha256Of(word), word]));

describe('bytes in an object store', () => {
  let fresh: FreshDatabase;
  let server: ObjectServer;
  let fleet: FleetRuns;
  let database: PgDatabase;
  let objects: S3Store;
  beforeAll(async () => {
    fresh = await freshDatabase();
    server = await startObjectServer([testSettings.bucket], signatureFault);
    const settings = { ...testSettings, endpoint: server.url };
    const stores = { databaseUrl: fresh.url, redisUrl: sharedRedisUrl() };
    fleet = await openFleet({ ...stores, objects: { ...settings, caFile: null } }, fleetSettings(1_000));
    database = await PgDatabase.open(fresh.url);
    objects = new S3Store(settings, { retryMs: 1 });
  });
  afterEach(() => {
    server.fault = null;
    server.next.length = 0;
  });
  afterAll(async () => {
    objects.close();
    await fleet.close();
    await database.close();
    await server.close();
    await fresh.drop();
  });
  beforeEach(async () => {
    await database.query('DELETE FROM argosy.runs');
    await sweepAll();
    server.objects.clear();
    server.asked.length = 0;
  });

  const depot = () => ({ database, objects });
  const run = async (runId: string) => {
    await fleet.runs.accept(acceptanceOf(tenantId, runId));
    return { tenantId, runId };
  };
  const loose = async () => (await database.query('SELECT due_at FROM argosy.loose_objects')).rows.length;
  /** As if all that may be named still had waited for too long. */
  const expire = async () => await database.query(`UPDATE argosy.loose_objects SET due_at = now() - interval '1 day'`);
  const sweep = async () => await new ObjectSweep(depot()).ifDue();
  async function sweepAll(): Promise<void> {
    await expire();
    await sweep();
  }
  const held = (): string[] => [...server.objects.values()].map((bytes) => Buffer.from(bytes).toString()).toSorted();

  it('are there once, for all runs of a tenant, and in no row', async () => {
    const [first, second] = [await run('r1'), await run('r2')];
    await putTexts(depot(), first, textsOf('own', 'shared'));
    await putTexts(depot(), second, textsOf('shared'));
    expect(held()).toEqual(['own', 'shared']);
    expect(await loose()).toBe(0);
    expect((await database.query('SELECT 1 FROM argosy.blobs WHERE text IS NOT NULL')).rows).toEqual([]);
    expect(await fleet.runs.texts(tenantId, [...textsOf('own', 'shared', 'other').keys()])).toEqual(
      textsOf('own', 'shared'),
    );
    expect(await fleet.runs.texts('stranger', [...textsOf('own').keys()])).toEqual(new Map());
  });

  it('are put once by runs that find them at the same time, and what was put twice is swept', async () => {
    const [first, second] = [await run('r1'), await run('r2')];
    await Promise.all([first, second].map(async (one) => await putTexts(depot(), one, textsOf('both'))));
    const { rows } = await database.query('SELECT object_id FROM argosy.blobs');
    expect(rows).toHaveLength(1);
    await sweepAll();
    expect(held()).toEqual(['both']);
    expect(await getTexts(depot(), tenantId, [sha256Of('both')])).toEqual(textsOf('both'));
  });

  it('go with the last run that cites them, and no sooner', async () => {
    const [first, second] = [await run('r1'), await run('r2')];
    await putTexts(depot(), first, textsOf('own', 'shared'));
    await putTexts(depot(), second, textsOf('shared'));
    await fleet.runs.forget({ ...first, actor: 'k1' });
    expect(held()).toEqual(['own', 'shared']);
    await fleet.runs.reconcile();
    expect(held()).toEqual(['shared']);
    await fleet.runs.forget({ ...second, actor: 'k1' });
    await sweep();
    expect(held()).toEqual([]);
    expect(await loose()).toBe(0);
  });

  it('are not yet named while they are written: a store that is away leaves no row, and a second try is as the first', async () => {
    const one = await run('r1');
    server.fault = { status: 503, code: 'SlowDown' };
    await expect(putTexts(depot(), one, textsOf('late'))).rejects.toThrow(Unavailable);
    expect(await getTexts(depot(), tenantId, [sha256Of('late')])).toEqual(new Map());
    server.fault = null;
    await putTexts(depot(), one, textsOf('late'));
    expect(await getTexts(depot(), tenantId, [sha256Of('late')])).toEqual(textsOf('late'));
    await sweepAll();
    expect(await loose()).toBe(0);
    expect(held()).toEqual(['late']);
  });

  it('that nothing came of are swept, and not while something may', async () => {
    const one = await run('r1');
    // The rows are refused after the bytes were stored: as when a process dies in between.
    const dies = {
      query: async (text: string, values?: readonly unknown[]) => {
        if (text.includes('INSERT INTO argosy.blobs')) throw new Error('died');
        return await database.query(text, values);
      },
    } as PgDatabase;
    await expect(putTexts({ database: dies, objects }, one, textsOf('orphan'))).rejects.toThrow('died');
    expect(await sweep()).toBe(0);
    expect(held()).toEqual(['orphan']);
    await sweepAll();
    expect(held()).toEqual([]);
    expect(await loose()).toBe(0);
  });

  it('that came too late to be named are put again, and no row names what is swept', async () => {
    const one = await run('r1');
    const slow = {
      query: async (text: string, values?: readonly unknown[]) => {
        if (text.includes('INSERT INTO argosy.blobs')) await expire();
        return await database.query(text, values);
      },
    } as PgDatabase;
    await expect(putTexts({ database: slow, objects }, one, textsOf('slow'))).rejects.toThrow(/swept: try again/);
    await sweep();
    expect((await database.query('SELECT 1 FROM argosy.blobs')).rows).toEqual([]);
    expect(held()).toEqual([]);
  });

  it('stay named as to be removed while the store is away', async () => {
    const one = await run('r1');
    await putTexts(depot(), one, textsOf('kept'));
    await fleet.runs.forget({ ...one, actor: 'k1' });
    server.fault = { status: 403, code: 'AccessDenied' };
    expect(await sweep()).toBe(0);
    expect(await loose()).toBe(1);
    server.fault = null;
    expect(await sweep()).toBe(1);
    expect(held()).toEqual([]);
  });

  it('that were changed or lost are told as that, and never given out', async () => {
    const one = await run('r1');
    await putTexts(depot(), one, textsOf('true'));
    const [name = ''] = server.objects.keys();
    server.objects.set(name, Buffer.from('lies'));
    await expect(getTexts(depot(), tenantId, [sha256Of('true')])).rejects.toThrow(
      /holds other bytes than were written/,
    );
    server.objects.set(name, Buffer.alloc(100_000));
    await expect(getTexts(depot(), tenantId, [sha256Of('true')])).rejects.toThrow(StoredBytesLost);
    server.objects.delete(name);
    await expect(getTexts(depot(), tenantId, [sha256Of('true')])).rejects.toThrow(
      /is not in the bucket, and the record names it/,
    );
  });

  it('are read from where each row says: what the database has it keeps', async () => {
    const one = await run('r1');
    await putTexts({ database, objects: null }, one, textsOf('old'));
    await putTexts(depot(), one, textsOf('old', 'new'));
    expect(held()).toEqual(['new']);
    expect(await getTexts(depot(), tenantId, [...textsOf('old', 'new').keys()])).toEqual(textsOf('old', 'new'));
    const without = { database, objects: null };
    expect(await getTexts(without, tenantId, [sha256Of('old')])).toEqual(textsOf('old'));
    await expect(getTexts(without, tenantId, [sha256Of('new')])).rejects.toThrow(InvalidState);
    await putTexts(without, one, textsOf('new', 'newer'));
    expect(await getTexts(depot(), tenantId, [...textsOf('new', 'newer').keys()])).toEqual(textsOf('new', 'newer'));
  });

  it('keep a paid result waiting while the store refuses, and lose nothing of it', async () => {
    const one = await run('r1');
    const agent = await fleet.runs.join({ workerId: 'a', role: 'agent-worker', slots: 1 });
    const tools = await fleet.runs.join({ workerId: 't', role: 'tool-worker', slots: 1 });
    const owner = await claim(database, tenantId, one.runId, agent.workerId);
    if (owner === null) throw new Error('A new run can be claimed.');
    const call = placed(searchOf('word'), 0);
    const spent = {
      modelCalls: 1,
      toolCalls: 0,
      promptTokens: 1,
      cachedTokens: 0,
      completionTokens: 1,
      nanoUsd: 0,
      feesNanoUsd: 0,
    };
    await fleet.runs.commit(owner, {
      step: { number: 1, event: asked(searchOf('word')), answered: [] },
      events: [],
      intents: [call],
      spent,
    });
    server.fault = { status: 403, code: 'AccessDenied' };
    let performed = 0;
    const answering = await fleet.runs.answerCalls(tools, { concurrency: 1 }, async () => {
      performed += 1;
      return { state: 'done', observation: observationOf('word'), snapshots: textsOf('word') };
    });
    const outcomes = fleet.runs.callTools(owner, [call], AbortSignal.timeout(60_000));
    const refused = () => server.asked.filter(({ method }) => method === 'PUT').length;
    while (refused() < 2) await new Promise((resolve) => setImmediate(resolve));
    server.fault = null;
    expect(await outcomes).toMatchObject([{ observation: observationOf('word') }]);
    expect(performed).toBe(1);
    expect(held()).toEqual(['word']);
    await answering.close();
    for (const member of [agent, tools]) await member.end();
  }, 90_000);

  it('keep a run that needs them waiting while the store refuses, and count nothing against it', async () => {
    const one = await run('r1');
    await putTexts(depot(), one, textsOf('needed'));
    const agent = await fleet.runs.join({ workerId: 'b', role: 'agent-worker', slots: 1 });
    const read: unknown[] = [];
    const done = Promise.withResolvers<void>();
    const drive = async () => {
      read.push(await fleet.runs.texts(tenantId, [sha256Of('needed')]).catch((error: unknown) => error));
      if (read[0] instanceof Error && read.length === 1) throw read[0];
      done.resolve();
    };
    server.fault = { status: 403, code: 'AccessDenied' };
    const answering = await fleet.runs.answerRuns(agent, { concurrency: 1 }, drive);
    const state = async () => {
      const sql = `SELECT state, epoch, lost_claims AS lost, not_before > now() AS waits FROM argosy.runs`;
      return (await database.query<Record<string, unknown>>(sql)).rows[0];
    };
    await fleet.runs.dispatch();
    while ((await state())?.['waits'] !== true) await fleet.runs.dispatch();
    expect(await state()).toEqual({ state: 'queued', epoch: 1, lost: 0, waits: true });
    server.fault = null;
    await database.query('UPDATE argosy.runs SET not_before = now()');
    await fleet.runs.dispatch();
    await done.promise;
    expect(read).toEqual([expect.any(Unavailable), textsOf('needed')]);
    await answering.close();
    await agent.end();
  }, 90_000);
});

describe('a process whose object store is not as it should be', () => {
  it('says so when it starts, what to mend, and no key', async () => {
    const fresh = await freshDatabase();
    const server = await startObjectServer([], signatureFault);
    const objects = { ...testSettings, endpoint: server.url, caFile: null };
    const opening = openFleet({ databaseUrl: fresh.url, redisUrl: sharedRedisUrl(), objects });
    await expect(opening).rejects.toThrow(/NoSuchBucket.*Make the bucket argosy-test, or correct ARGOSY_S3_BUCKET/);
    await server.close();
    await fresh.drop();
  });
});
