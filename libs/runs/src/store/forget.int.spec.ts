import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ObjectServer, startObjectServer } from '../../../../test/support/object-server.ts';
import { acceptanceOf, sha256Of } from '../../../../test/support/research.ts';
import { type FreshDatabase, freshDatabase } from '../../../../test/support/servers.ts';
import { putFile } from '../corpora/contents.ts';
import { addCorpus, corpusIdOf, forgetCorpus, missingFiles } from '../corpora/records.ts';
import { migrateOnce } from '../fleet/open.ts';
import { PgDatabase } from '../fleet/pg-database.ts';
import { signatureFault, testSettings } from '../objects/s3.contract.ts';
import { S3Store } from '../objects/s3.ts';
import { getTexts, putTexts } from './blobs.ts';
import type { Statements } from './database.ts';
import { forgetRun } from './forget.ts';
import { accept } from './stores.contract.ts';

/** What only several sessions can show: an embedded database has one. */
describe.each([
  ['the database', false],
  ['an object store', true],
])('removing what somebody else begins to cite, with bytes in %s', (_where, withObjects) => {
  const tenantId = 't';
  let fresh: FreshDatabase;
  let database: PgDatabase;
  let server: ObjectServer;
  let objects: S3Store | null = null;
  beforeAll(async () => {
    fresh = await freshDatabase();
    database = await PgDatabase.open(fresh.url);
    await migrateOnce(database);
    server = await startObjectServer([testSettings.bucket], signatureFault);
    if (withObjects) objects = new S3Store({ ...testSettings, endpoint: server.url });
  });
  afterAll(async () => {
    objects?.close();
    await server.close();
    await database.close();
    await fresh.drop();
  });

  /** Resolves when a statement waits for a lock. */
  async function somebodyWaits(): Promise<'waits'> {
    const sql = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    for (;;) if ((await database.query(sql)).rows.length > 0) return 'waits';
  }

  /** Begins `second` when the transaction of `first` has done its work and not ended, and waits for both. */
  async function overlap(first: (to: Statements) => Promise<unknown>, second: () => Promise<unknown>): Promise<void> {
    let other: Promise<unknown> = Promise.resolve();
    await database.transaction(async (query) => {
      await first({ query });
      other = second();
      await Promise.race([other, somebodyWaits()]);
    });
    await other;
  }

  describe.each([
    ['a run that has stored a text and not committed', true],
    ['a removal that has not committed', false],
  ])('beside %s', (_which, citesFirst) => {
    it('leaves the text to the run that cites it', async () => {
      const [old, young] = [`old-${citesFirst}`, `young-${citesFirst}`];
      const text = `text ${citesFirst}`;
      const texts = new Map([[sha256Of(text), text]]);
      for (const runId of [old, young]) await accept(database, acceptanceOf(tenantId, runId));
      await putTexts({ database, objects }, { tenantId, runId: old }, texts);
      const cite = async (to: Statements) =>
        await putTexts({ database: to, objects }, { tenantId, runId: young }, texts);
      const remove = async (to: Statements) => await forgetRun(to, { tenantId, runId: old, actor: 'k1' });
      await (citesFirst
        ? overlap(cite, async () => await remove(database))
        : overlap(remove, async () => await cite(database)));
      expect(await getTexts({ database, objects }, tenantId, [...texts.keys()])).toEqual(texts);
    });

    it('leaves the file to the corpus that names it, or asks for it again', async () => {
      const data = Buffer.from(`file ${citesFirst}`);
      const file = { path: 'a', sha256: createHash('sha256').update(data).digest('hex'), bytes: data.byteLength };
      const keyOf = (name: string) => ({ tenantId, corpusId: corpusIdOf(tenantId, name, [file]) });
      const send = async () =>
        await putFile(
          { database, objects },
          { tenantId, sha256: file.sha256 },
          file.bytes,
          (async function* () {
            yield data;
          })(),
        );
      await addCorpus(database, keyOf('old'), 'old', [file]);
      await send();
      const name = async (to: Statements) => await addCorpus(to, keyOf('young'), 'young', [file]);
      const remove = async (to: Statements) => await forgetCorpus(to, { ...keyOf('old'), actor: 'k1' });
      await (citesFirst
        ? overlap(name, async () => await remove(database))
        : overlap(remove, async () => await name(database)));
      expect(await missingFiles(database, keyOf('young'))).toEqual(citesFirst ? [] : [file.sha256]);
    });
  });

  it('stores no text of a run whose removal has not committed', async () => {
    await accept(database, acceptanceOf(tenantId, 'going'));
    const texts = new Map([[sha256Of('late'), 'late']]);
    await overlap(
      async (to) => await forgetRun(to, { tenantId, runId: 'going', actor: 'k1' }),
      async () => await putTexts({ database, objects }, { tenantId, runId: 'going' }, texts),
    );
    expect(await getTexts({ database, objects }, tenantId, [...texts.keys()])).toEqual(new Map());
  });

  it('names no file whose last corpus is being removed', async () => {
    const data = Buffer.from('a file that nobody names');
    const file = { path: 'a', sha256: createHash('sha256').update(data).digest('hex'), bytes: data.byteLength };
    const key = { tenantId, corpusId: corpusIdOf(tenantId, 'gone', [file]) };
    await addCorpus(database, key, 'gone', [file]);
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield data;
    };
    let refused: unknown;
    await overlap(
      async (to) => await forgetCorpus(to, { ...key, actor: 'k1' }),
      async () => {
        refused = await putFile({ database, objects }, { tenantId, sha256: file.sha256 }, file.bytes, bytes()).catch(
          String,
        );
      },
    );
    expect(refused).toMatch(/its corpus was removed/);
  });
});
