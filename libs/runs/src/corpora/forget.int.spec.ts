import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NotFound } from '#errors';
import type { Doorbell } from '../doorbell/doorbell.ts';
import { describeDepots } from '../store/stores.contract.ts';
import { renewLease } from '../store/workers.ts';
import { Draft, readParts } from './contents.ts';
import { claimCorpus, keepSegment } from './indexing.ts';
import { CorpusShelf } from './shelf.ts';

const fileOf = (path: string, words: string) => {
  const data = Buffer.from(words);
  return { path, sha256: createHash('sha256').update(data).digest('hex'), bytes: data.byteLength };
};
async function* bytesOf(words: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(words);
}

describeDepots((stores) => {
  const database = () => stores().database;
  let shelf: CorpusShelf;
  let doorbell: Doorbell;
  beforeEach(async () => {
    doorbell = await stores().doorbell();
    const settings = { leaseMs: 600_000, relookMs: 60_000, pollMs: 60_000 };
    shelf = new CorpusShelf({ ...stores(), doorbell, settings });
    await renewLease(database(), { workerId: 'w', role: 'tool-worker', slots: 1 }, 600_000);
  });
  afterEach(async () => {
    await doorbell.close();
  });

  const forget = async (tenantId: string, corpusId: string) => await shelf.forget({ tenantId, corpusId, actor: 'k1' });

  /** A corpus of files, named after their words, with an index. */
  async function made(tenantId: string, name: string, ...words: string[]): Promise<string> {
    const files = words.map((word) => fileOf(`${word}.md`, word));
    const { corpusId } = await shelf.offer(tenantId, name, files);
    for (const word of words) await shelf.putFile(tenantId, fileOf('', word).sha256, bytesOf(word));
    await shelf.offer(tenantId, name, files);
    const claim = await claimCorpus(database(), { tenantId, corpusId }, 'w');
    if (claim === null) throw new Error('A corpus whose files are all here can be claimed.');
    const draft = new Draft(stores(), tenantId);
    const sha256 = await draft.fill(bytesOf(`index of ${name}`));
    const sizes = { format: 1, documents: 1, passages: 1, skipped: 0, skips: [] };
    expect(await keepSegment(database(), claim, { contentId: draft.contentId, sha256, ...sizes })).toBe(true);
    return corpusId;
  }

  /** What is stored of a tenant, by its words. */
  async function stored(tenantId: string): Promise<string[]> {
    const parts = await readParts(stores(), tenantId, 'true', []);
    return parts.map(({ data }) => Buffer.from(data).toString()).sort();
  }

  describe('a corpus that is removed', () => {
    it('takes its index with it, and the files that no other corpus of its tenant names', async () => {
      const first = await made('a', 'one', 'own', 'shared');
      const second = await made('a', 'two', 'shared');
      await made('a-other', 'one', 'own', 'shared');
      await forget('a', first);
      expect(await stored('a')).toEqual(['index of two', 'shared']);
      await expect(shelf.get('a', first)).rejects.toThrow(NotFound);
      await expect(forget('a', first)).rejects.toThrow(NotFound);
      expect(await shelf.segment('a', first, 1)).toBeNull();
      await forget('a', second);
      expect(await stored('a')).toEqual([]);
      for (const table of ['corpora', 'corpus_files', 'files', 'contents', 'content_parts'])
        expect((await database().query(`SELECT 1 FROM argosy.${table} WHERE tenant_id = 'a'`)).rows).toEqual([]);
      expect(await stored('a-other')).toEqual(['index of one', 'own', 'shared']);
    });

    it('is nobody else’s to remove', async () => {
      const corpusId = await made('b', 'one', 'own');
      await expect(forget('b-other', corpusId)).rejects.toThrow(NotFound);
      expect(await shelf.get('b', corpusId)).toMatchObject({ status: 'ready' });
    });

    it('can be uploaded and indexed again under the same id', async () => {
      const first = await made('c', 'one', 'own');
      await forget('c', first);
      expect(await made('c', 'one', 'own')).toBe(first);
    });

    it('leaves nothing of an upload that was under way, nor of an index', async () => {
      const file = fileOf('a.md', 'a long text');
      const { corpusId } = await shelf.offer('d', 'one', [file]);
      const sending = shelf.putFile(
        'd',
        file.sha256,
        (async function* () {
          yield Buffer.from('a long ');
          await forget('d', corpusId);
          yield Buffer.from('text');
        })(),
      );
      await expect(sending).rejects.toThrow(/its corpus was removed/);
      expect(await stored('d')).toEqual([]);
    });
  });
});
