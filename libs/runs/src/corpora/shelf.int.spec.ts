import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CorpusFile } from '#contracts';
import { InvalidInput, NotFound, Unavailable } from '#errors';
import { temporaryFolder } from '../../../../test/support/embedded.ts';
import type { Answering, Doorbell } from '../doorbell/doorbell.ts';
import { Membership } from '../membership.ts';
import { describeDepots } from '../store/stores.contract.ts';
import type { CorpusClaim } from './indexing.ts';
import { CorpusShelf, type IndexCorpus } from './shelf.ts';

/** A lease that only the tests that wait for its end let run out. */
const leaseMs = 60_000;
const mebibyte = 1024 * 1024;
const folder = temporaryFolder();

const fileOf = (path: string, data: Uint8Array): CorpusFile => ({
  path,
  sha256: createHash('sha256').update(data).digest('hex'),
  bytes: data.byteLength,
});
const text = (words: string): Buffer => Buffer.from(words);

async function* inChunks(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.byteLength; at += size) yield data.subarray(at, at + size);
}

async function bytesOf(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

/** Fails the test where nothing happens, instead of waiting for ever. */
async function heard<T>(promise: Promise<T>): Promise<T> {
  return await Promise.race([
    promise,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error('nothing happened')), 20_000).unref()),
  ]);
}

describeDepots((stores) => {
  let tenant: string;
  let doorbell: Doorbell;
  let shelf: CorpusShelf;
  const members: Membership[] = [];
  const answering: Answering[] = [];

  beforeEach(async () => {
    tenant = `t-${randomUUID()}`;
    doorbell = await stores().doorbell();
    shelf = shelfWith(doorbell);
  });
  afterEach(async () => {
    for (const answer of answering.splice(0)) await answer.close({ abortAfterMs: 0 });
    for (const member of members.splice(0)) await member.end();
    await doorbell.close();
    // Corpora of one test are no business of the next one's workers.
    await stores().database.query(`UPDATE argosy.corpora SET state = 'failed' WHERE state = 'indexing'`);
  });

  function shelfWith(bell: Doorbell, relookMs = 60_000): CorpusShelf {
    const settings = { leaseMs, relookMs, pollMs: 20 };
    return new CorpusShelf({ ...stores(), doorbell: bell, settings });
  }

  async function enter(workerId = `w-${randomUUID()}`): Promise<Membership> {
    const worker = { workerId, role: 'tool-worker', slots: 1 };
    const member = await Membership.begin(stores().database, worker, leaseMs);
    members.push(member);
    return member;
  }

  /** Ends a worker as a crash does: its lease runs out, and it does not know. */
  async function expire(member: Membership): Promise<void> {
    const sql = `UPDATE argosy.workers SET lease_until = now() - interval '1 s' WHERE worker_id = $1`;
    await stores().database.query(sql, [member.workerId]);
  }

  async function answer(index: IndexCorpus, member?: Membership): Promise<unknown[]> {
    const faults: unknown[] = [];
    const settings = { concurrency: 1, onFault: (fault: unknown) => faults.push(fault) };
    answering.push(await shelf.answer(member ?? (await enter()), settings, index));
    return faults;
  }

  /** An index whose bytes are given. */
  const built = (data: Uint8Array, format = 7) => ({
    source: inChunks(data, 300_000),
    format,
    documents: 2,
    passages: 5,
    skipped: 1,
    skips: [{ path: 'a.bin', reason: 'binary content' }],
  });

  /** Answers with an index of these bytes, and tells of each claim. */
  async function indexWith(data: Uint8Array, format = 7): Promise<CorpusClaim[]> {
    const claims: CorpusClaim[] = [];
    await answer(async (claim) => {
      claims.push(claim);
      await shelf.keep(claim, built(data, format));
    });
    return claims;
  }

  async function untilEnded(corpusId: string): Promise<Awaited<ReturnType<CorpusShelf['get']>>> {
    return await heard(
      (async () => {
        for (;;) {
          const corpus = await shelf.get(tenant, corpusId);
          if (corpus.status === 'ready' || corpus.status === 'failed') return corpus;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })(),
    );
  }

  async function uploaded(words = randomUUID()): Promise<string> {
    const data = text(words);
    const { corpusId } = await shelf.offer(tenant, 'docs', [fileOf('a.md', data)]);
    await shelf.putFile(tenant, fileOf('', data).sha256, inChunks(data, 10));
    const { status } = await shelf.offer(tenant, 'docs', [fileOf('a.md', data)]);
    expect(status).not.toBe('uploading');
    return corpusId;
  }

  describe('a folder', () => {
    it('asks for the files that are not here, and for none the second time', async () => {
      const [a, b] = [fileOf('a.md', text('alpha')), fileOf('sub/b.md', text('beta'))];
      const first = await shelf.offer(tenant, 'docs', [a, b, { ...a, path: 'copy.md' }]);
      expect(first).toMatchObject({ status: 'uploading', name: 'docs', files: 3, bytes: 14, documents: null });
      expect([...first.missing].sort()).toEqual([a.sha256, b.sha256].sort());
      await shelf.putFile(tenant, a.sha256, inChunks(text('alpha'), 2));
      expect(await shelf.get(tenant, first.corpusId)).toMatchObject({ missing: [b.sha256] });
      await shelf.putFile(tenant, b.sha256, inChunks(text('beta'), 2));
      expect(await shelf.offer(tenant, 'docs', [a, b, { ...a, path: 'copy.md' }])).toMatchObject({
        corpusId: first.corpusId,
        status: 'indexing',
        missing: [],
      });
      const changed = await shelf.offer(tenant, 'docs', [a, fileOf('sub/b.md', text('gamma'))]);
      expect(changed.corpusId).not.toBe(first.corpusId);
      expect(changed.missing).toEqual([fileOf('', text('gamma')).sha256]);
    });

    it('is the same corpus in any order of its files, and another one under another name or tenant', async () => {
      const files = [fileOf('a.md', text('1')), fileOf('b.md', text('2'))];
      const ids = [
        await shelf.offer(tenant, 'docs', files),
        await shelf.offer(tenant, 'docs', files.toReversed()),
        await shelf.offer(tenant, 'texts', files),
        await shelf.offer(`${tenant}-2`, 'docs', files),
      ].map(({ corpusId }) => corpusId);
      expect(ids[1]).toBe(ids[0]);
      expect(new Set(ids).size).toBe(3);
      for (const id of ids) expect(id).toMatch(/^c_[0-9a-f]{16}$/);
    });

    it('is listed to its own tenant, newest first, page by page', async () => {
      const ids: string[] = [];
      for (const words of ['1', '2', '3']) {
        ids.unshift((await shelf.offer(tenant, 'docs', [fileOf('a.md', text(words))])).corpusId);
      }
      const first = await shelf.list(tenant, null, 2);
      const second = await shelf.list(tenant, first.at(-1)?.corpusId ?? null, 2);
      expect([...first, ...second].map(({ corpusId }) => corpusId)).toEqual(ids);
      expect(await shelf.list(`${tenant}-2`, null, 2)).toEqual([]);
      await expect(shelf.get(`${tenant}-2`, ids[0] ?? '')).rejects.toThrow(NotFound);
    });
  });

  describe('a file', () => {
    it('comes back byte by byte, however it was cut on its way', async () => {
      const large = randomBytes(2 * mebibyte + 17);
      const exact = randomBytes(mebibyte);
      const small = text('small');
      const files = [fileOf('large.md', large), fileOf('exact.md', exact), fileOf('small.md', small)];
      const { corpusId } = await shelf.offer(tenant, 'docs', files);
      for (const [data, size] of [
        [large, 70_001],
        [exact, 3 * mebibyte],
        [small, 1],
      ] as const) {
        await shelf.putFile(tenant, fileOf('', data).sha256, inChunks(data, size));
      }
      const claim = { tenantId: tenant, corpusId, name: 'docs', workerId: 'w', attempt: 1 };
      const names = await shelf.copyFiles(claim, folder, new AbortController().signal);
      expect(names).toEqual([files[1], files[0], files[2]]);
      for (const [index, data] of [large, exact, small].entries()) {
        expect(readFileSync(join(folder, files[index]?.sha256 ?? '')).equals(data)).toBe(true);
      }
    });

    it('that two clients send at once is stored once, and a known one is not read', async () => {
      const data = randomBytes(mebibyte + 5);
      const file = fileOf('a.md', data);
      await shelf.offer(tenant, 'docs', [file]);
      const send = () => shelf.putFile(tenant, file.sha256, inChunks(data, 100_000));
      await Promise.all([send(), send(), send()]);
      expect(await partsOf(tenant)).toBe(2);
      const unread = async function* (): AsyncGenerator<Uint8Array> {
        yield await Promise.reject(new Error('it was read'));
      };
      await shelf.putFile(tenant, file.sha256, unread());
    });

    it.each<[string, (data: Buffer) => Buffer]>([
      ['other bytes', (data) => Buffer.concat([data.subarray(1), data.subarray(0, 1)])],
      ['too few', (data) => data.subarray(1)],
      ['too many', (data) => Buffer.concat([data, data])],
    ])('is refused with %s than its hash says, and nothing is left of it', async (_, change) => {
      const data = randomBytes(mebibyte + 5);
      const file = fileOf('a.md', data);
      const { corpusId } = await shelf.offer(tenant, 'docs', [file]);
      const sent = shelf.putFile(tenant, file.sha256, inChunks(change(data), 100_000));
      await expect(sent).rejects.toMatchObject({ code: 'hash_mismatch' });
      expect(await shelf.get(tenant, corpusId)).toMatchObject({ missing: [file.sha256] });
      expect(await partsOf(tenant)).toBe(0);
    });

    it('that breaks off on its way leaves nothing', async () => {
      const data = randomBytes(3 * mebibyte);
      const file = fileOf('a.md', data);
      await shelf.offer(tenant, 'docs', [file]);
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield data.subarray(0, 2 * mebibyte);
        throw new Error('the client has left');
      };
      await expect(shelf.putFile(tenant, file.sha256, broken())).rejects.toThrow('the client has left');
      expect(await partsOf(tenant)).toBe(0);
    });

    it('of a process that died on its way is swept after an hour, not before', async () => {
      for (const [id, age] of [
        ['fresh', '50 min'],
        ['dead', '70 min'],
      ]) {
        const sql =
          'INSERT INTO argosy.contents (tenant_id, content_id, created_at) VALUES ($1, $2, now() - $3::interval)';
        await stores().database.query(sql, [tenant, id, age]);
      }
      await shelf.reconcile();
      const sql = 'SELECT content_id FROM argosy.contents WHERE tenant_id = $1';
      expect((await stores().database.query(sql, [tenant])).rows).toEqual([{ content_id: 'fresh' }]);
    });

    it('that was swept before its end is not stored in part', async () => {
      const data = randomBytes(2 * mebibyte);
      const file = fileOf('a.md', data);
      const { corpusId } = await shelf.offer(tenant, 'docs', [file]);
      const sweepIt = async function* (): AsyncGenerator<Uint8Array> {
        yield data;
        // Two parts are here now; the first was written, the second is held for the last statement.
        await stores().database.query('DELETE FROM argosy.contents WHERE tenant_id = $1', [tenant]);
      };
      await expect(shelf.putFile(tenant, file.sha256, sweepIt())).rejects.toThrow(Unavailable);
      expect(await shelf.get(tenant, corpusId)).toMatchObject({ missing: [file.sha256] });
      expect(await partsOf(tenant)).toBe(0);
    });

    it('that no corpus of the tenant names is not taken', async () => {
      const file = fileOf('a.md', text('alpha'));
      await shelf.offer(tenant, 'docs', [file]);
      const sent = shelf.putFile(`${tenant}-2`, file.sha256, inChunks(text('alpha'), 2));
      await expect(sent).rejects.toThrow(NotFound);
    });

    async function partsOf(tenantId: string): Promise<number> {
      const sql = 'SELECT count(*)::int AS n FROM argosy.content_parts WHERE tenant_id = $1';
      return (await stores().database.query<{ n: number }>(sql, [tenantId])).rows[0]?.n ?? -1;
    }
  });

  describe('indexing', () => {
    it('makes a corpus ready, and its index is read as it was stored', async () => {
      const data = randomBytes(2 * mebibyte + 3);
      const claims = await indexWith(data);
      const corpusId = await uploaded();
      expect(await untilEnded(corpusId)).toMatchObject({
        status: 'ready',
        documents: 2,
        passages: 5,
        skipped: 1,
        skips: [{ path: 'a.bin', reason: 'binary content' }],
        error: null,
      });
      expect(claims).toEqual([expect.objectContaining({ tenantId: tenant, corpusId, name: 'docs', attempt: 1 })]);
      const segment = await shelf.segment(tenant, corpusId, 7);
      expect(segment?.sha256).toBe(fileOf('', data).sha256);
      expect((await bytesOf(segment?.parts ?? inChunks(data, 0))).equals(data)).toBe(true);
      expect(await shelf.segment(`${tenant}-2`, corpusId, 7)).toBeNull();
    });

    it('is not begun again for a corpus that is ready', async () => {
      const words = randomUUID();
      const claims = await indexWith(text('index'));
      const corpusId = await uploaded(words);
      await untilEnded(corpusId);
      const again = await shelf.offer(tenant, 'docs', [fileOf('a.md', text(words))]);
      expect(again).toMatchObject({ corpusId, status: 'ready', missing: [] });
      expect(claims).toHaveLength(1);
    });

    it('ends with the reason of a folder that cannot be used, and is tried again when it is offered again', async () => {
      const words = randomUUID();
      let usable = false;
      await answer(async (claim) => {
        if (!usable) throw new InvalidInput([{ path: 'docs', message: 'holds no document' }]);
        await shelf.keep(claim, built(text('index')));
      });
      const corpusId = await uploaded(words);
      expect(await untilEnded(corpusId)).toMatchObject({ status: 'failed', error: 'docs: holds no document' });
      usable = true;
      const again = await shelf.offer(tenant, 'docs', [fileOf('a.md', text(words))]);
      expect(again).toMatchObject({ corpusId, error: null });
      expect(await untilEnded(corpusId)).toMatchObject({ status: 'ready', error: null });
    });

    it('lets runs search what is ready, and says of the rest why not', async () => {
      await answer(async (claim) => {
        if (claim.name === 'bad') throw new InvalidInput([{ path: 'docs', message: 'holds no document' }]);
        await shelf.keep(claim, built(text('index')));
      });
      const { corpusId: waiting } = await shelf.offer(tenant, 'docs', [fileOf('a.md', text(randomUUID()))]);
      const good = await uploaded();
      await untilEnded(good);
      const bad = (await shelf.offer(tenant, 'bad', [fileOf('a.md', text('bad'))])).corpusId;
      await shelf.putFile(tenant, fileOf('', text('bad')).sha256, inChunks(text('bad'), 9));
      await shelf.offer(tenant, 'bad', [fileOf('a.md', text('bad'))]);
      await untilEnded(bad);
      const faults = await shelf.faults(tenant, [good, bad, waiting, 'c_ffffffffffffffff']);
      expect([...faults]).toEqual([
        [bad, expect.stringContaining('could not be indexed: docs: holds no document')],
        [waiting, expect.stringContaining('still uploading')],
        ['c_ffffffffffffffff', expect.stringContaining('there is no corpus')],
      ]);
      expect((await shelf.faults(`${tenant}-2`, [good])).get(good)).toContain('there is no corpus');
    });

    it('is tried three times when it fails in its worker, then ends with the last fault', async () => {
      let begun = 0;
      const faults = await answer(async () => {
        begun += 1;
        throw new Error(`fault ${begun}`);
      });
      const impatient = shelfWith(doorbell, 0);
      const corpusId = await uploaded();
      await heard(
        (async () => {
          while ((await shelf.get(tenant, corpusId)).status === 'indexing') await impatient.reconcile();
        })(),
      );
      expect(begun).toBe(3);
      // The worker is told when it has given the corpus up, which another may have ended by then.
      while (faults.length < 3) await new Promise((resolve) => setImmediate(resolve));
      expect(faults).toHaveLength(3);
      expect(await shelf.get(tenant, corpusId)).toMatchObject({
        status: 'failed',
        error: expect.stringMatching(/begun 3 times.*fault 3/),
      });
    });

    it('goes over to another worker when the first one dies, whose late index is refused', async () => {
      const first = Promise.withResolvers<CorpusClaim>();
      const gate = Promise.withResolvers<void>();
      const kept: [string, boolean][] = [];
      const dying = await enter('dying');
      await answer(async (claim) => {
        first.resolve(claim);
        await gate.promise;
        kept.push([claim.workerId, await shelf.keep(claim, built(text('late')))]);
      }, dying);
      const corpusId = await uploaded();
      await heard(first.promise);
      const heir = await enter('heir');
      await shelf.reconcile();
      await expire(dying);
      const taken = Promise.withResolvers<CorpusClaim>();
      await answer(async (claim) => {
        taken.resolve(claim);
        kept.push([claim.workerId, await shelf.keep(claim, built(text('heir')))]);
      }, heir);
      await shelf.reconcile();
      expect(await heard(taken.promise)).toMatchObject({ workerId: 'heir', attempt: 2 });
      expect(await untilEnded(corpusId)).toMatchObject({ status: 'ready' });
      gate.resolve();
      await heard(answering[0]?.close() ?? Promise.resolve());
      expect(kept).toEqual([
        ['heir', true],
        ['dying', false],
      ]);
      const segment = await shelf.segment(tenant, corpusId, 7);
      expect((await bytesOf(segment?.parts ?? inChunks(text(''), 1))).toString()).toBe('heir');
    });

    it('of two workers that ask at once is given to one', async () => {
      const members = [await enter(), await enter(), await enter()];
      const corpusId = await uploaded();
      let begun = 0;
      for (const member of members) {
        await answer(async (claim) => {
          begun += 1;
          await shelf.keep(claim, built(text('index')));
        }, member);
      }
      for (let round = 0; round < 5; round++) {
        await doorbell.ring({ bell: 'corpora', tenantId: tenant, runId: corpusId, key: `${corpusId}-x${round}` });
      }
      await untilEnded(corpusId);
      expect(begun).toBe(1);
    });

    it('that is stopped with its worker goes on at once and counts as no fault', async () => {
      const begun = Promise.withResolvers<void>();
      const faults = await answer(async (_, signal) => {
        begun.resolve();
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw new Error('stopped');
      });
      const corpusId = await uploaded();
      await heard(begun.promise);
      await answering.splice(0)[0]?.close({ abortAfterMs: 0 });
      expect(faults).toEqual([]);
      const claims = await indexWith(text('index'));
      await shelf.reconcile();
      expect(await untilEnded(corpusId)).toMatchObject({ status: 'ready' });
      expect(claims).toHaveLength(1);
      const { rows } = await stores().database.query('SELECT lost FROM argosy.corpora WHERE corpus_id = $1', [
        corpusId,
      ]);
      expect(rows).toEqual([{ lost: 0 }]);
    });

    it('whose ring was lost is rung for again when it is due, not before', async () => {
      const corpusId = await uploaded();
      await doorbell.withdraw('corpora', `${corpusId}-1`);
      expect(await shelf.reconcile()).toBe(0);
      await indexWith(text('index'));
      expect(await shelfWith(doorbell, 0).reconcile()).toBe(1);
      expect(await untilEnded(corpusId)).toMatchObject({ status: 'ready' });
    });
  });

  describe('an index', () => {
    it('that is not there yet is refused by the state of its corpus', async () => {
      const corpusId = await uploaded();
      await expect(shelf.segment(tenant, corpusId, 7)).rejects.toThrow(/indexing/);
    });

    it('of another release is built anew once, and the old one stays for those who read it', async () => {
      let format = 6;
      await answer(async (claim) => void (await shelf.keep(claim, built(text(`format ${format}`), format))));
      const corpusId = await uploaded();
      await untilEnded(corpusId);
      const old = await shelf.segment(tenant, corpusId, 6);
      format = 7;
      const looks = await Promise.allSettled([1, 2, 3].map(() => shelf.segment(tenant, corpusId, 7)));
      // One that looks late finds the new index.
      const refused = looks.filter((look) => look.status === 'rejected');
      expect(refused.length).toBeGreaterThan(0);
      for (const { reason } of refused) expect(reason).toBeInstanceOf(Unavailable);
      expect(await untilEnded(corpusId)).toMatchObject({ status: 'ready' });
      const fresh = await shelf.segment(tenant, corpusId, 7);
      expect((await bytesOf(fresh?.parts ?? inChunks(text(''), 1))).toString()).toBe('format 7');
      expect((await bytesOf(old?.parts ?? inChunks(text(''), 1))).toString()).toBe('format 6');
    });
  });
});
