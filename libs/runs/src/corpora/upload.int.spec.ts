import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Doorbell } from '../doorbell/doorbell.ts';
import { describeDepots } from '../store/stores.contract.ts';
import { CorpusShelf } from './shelf.ts';
import type { Upload } from './upload.ts';

const tenant = 'sender';
const large = 'ü'.repeat(1_500_000);

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
    for (const table of ['corpora', 'files', 'contents'])
      await database().query(`DELETE FROM argosy.${table} WHERE tenant_id = $1`, [tenant]);
  });
  afterEach(async () => {
    await doorbell.close();
  });

  async function sent(...files: (readonly [path: string, words: string])[]): Promise<Upload> {
    const upload = shelf.upload(tenant);
    for (const [path, words] of files) await upload.add(path, bytesOf(words));
    return upload;
  }

  /** Bytes stored: of contents that count, and of those that wait. */
  async function stored(): Promise<{ settled: number; drafts: number }> {
    const { rows } = await database().query<{ settled: number; drafts: number }>(
      `SELECT coalesce(sum(coalesce(p.bytes, length(data))) FILTER (WHERE settled), 0)::int AS settled,
         coalesce(sum(coalesce(p.bytes, length(data))) FILTER (WHERE NOT settled), 0)::int AS drafts
       FROM argosy.contents c JOIN argosy.content_parts p USING (tenant_id, content_id) WHERE c.tenant_id = $1`,
      [tenant],
    );
    return rows[0] ?? { settled: -1, drafts: -1 };
  }

  it('tells what came, and counts once its folder is offered; the same bytes are kept once', async () => {
    const upload = await sent(['a.md', 'alpha'], ['b.md', large], ['c.md', 'alpha']);
    const hash = (words: string): string => createHash('sha256').update(words).digest('hex');
    expect(upload.files).toEqual([
      { path: 'a.md', sha256: hash('alpha'), bytes: 5 },
      { path: 'b.md', sha256: hash(large), bytes: 3_000_000 },
      { path: 'c.md', sha256: hash('alpha'), bytes: 5 },
    ]);
    expect(await stored()).toEqual({ settled: 0, drafts: 3_000_010 });
    const corpus = await shelf.offer(tenant, 'docs', upload.files, upload);
    expect(corpus).toMatchObject({ status: 'indexing', files: 3, missing: [] });
    expect(await stored()).toEqual({ settled: 3_000_005, drafts: 0 });
    const again = await sent(['a.md', 'alpha'], ['b.md', large], ['c.md', 'alpha']);
    expect(await shelf.offer(tenant, 'docs', again.files, again)).toMatchObject({ corpusId: corpus.corpusId });
    expect(await stored()).toEqual({ settled: 3_000_005, drafts: 0 });
  });

  it('leaves nothing of a file that breaks off, nor of an upload that is dropped', async () => {
    const upload = await sent(['a.md', 'alpha']);
    const breaks = async function* () {
      yield Buffer.from(large);
      throw new Error('the client has left');
    };
    await expect(upload.add('b.md', breaks())).rejects.toThrow('the client has left');
    expect(await stored()).toEqual({ settled: 0, drafts: 5 });
    await upload.drop();
    expect(await stored()).toEqual({ settled: 0, drafts: 0 });
  });

  it('is told as missing what was swept before its folder was offered', async () => {
    const upload = await sent(['a.md', 'alpha'], ['b.md', 'beta']);
    const { files } = upload;
    await database().query('DELETE FROM argosy.contents WHERE tenant_id = $1', [tenant]);
    const corpus = await shelf.offer(tenant, 'docs', files, upload);
    expect([...corpus.missing].sort()).toEqual(files.map(({ sha256 }) => sha256).sort());
    expect(corpus.status).toBe('uploading');
  });

  it('drops nothing that has its name', async () => {
    const upload = await sent(['a.md', 'alpha']);
    await shelf.offer(tenant, 'docs', upload.files, upload);
    await upload.drop();
    expect(await stored()).toEqual({ settled: 5, drafts: 0 });
  });
});
