import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { jsonLogger } from '#platform';
import type { OfferedCorpus } from '#runs';
import { type BuildRequest, Corpora, Extraction, type SyncOptions, searchTool, visitTool } from '#tools';
import { runsOn, temporaryFolder, useStore } from '../../../test/support/embedded.ts';
import { ToolWorker } from './tool-worker.ts';

const tenantId = 'acme';
const settings = { leaseMs: 60_000, relookMs: 60_000, pollMs: 50 };

describe('ToolWorker with uploaded folders', () => {
  const store = useStore(runsOn(settings));
  const folder = temporaryFolder();
  const workers: ToolWorker[] = [];
  const corpora: Corpora[] = [];
  const logged: { event: string; corpusId?: string; message?: string }[] = [];
  let made = 0;

  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop(0)));
    await Promise.all(corpora.splice(0).map((one) => one.close()));
    logged.length = 0;
  });

  async function openCorpora(): Promise<Corpora> {
    made += 1;
    const opened = await Corpora.open(join(folder, `corpora-${made}`), { segments: store().runs.corpora });
    corpora.push(opened);
    return opened;
  }

  async function work(indexes: Pick<Corpora, 'build'>): Promise<ToolWorker> {
    made += 1;
    const logger = jsonLogger('tool-worker', 'info', (line) => logged.push(JSON.parse(line)));
    const options = { workerId: `tool-${made}`, concurrency: 1, corpora: indexes };
    const worker = await ToolWorker.start(store().runs, [], options, logger);
    workers.push(worker);
    return worker;
  }

  async function upload(texts: Readonly<Record<string, string>>): Promise<OfferedCorpus> {
    const shelf = store().runs.corpora;
    const files = Object.entries(texts).map(([path, text]) => {
      return { path, sha256: createHash('sha256').update(text).digest('hex'), bytes: Buffer.byteLength(text) };
    });
    await shelf.offer(tenantId, 'docs', files);
    for (const { path, sha256 } of files) await shelf.putFile(tenantId, sha256, partsOf(texts[path] ?? ''));
    return await shelf.offer(tenantId, 'docs', files);
  }

  async function* partsOf(text: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }

  async function ended(corpusId: string): Promise<OfferedCorpus> {
    for (;;) {
      const corpus = await store().runs.corpora.get(tenantId, corpusId);
      if (corpus.status !== 'indexing') return corpus;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const contextOf = (id: string) => ({
    tenantId,
    policy: { corpora: [id], web: false, urls: [], providers: [], allowDomains: [], denyDomains: [] },
    signal: new AbortController().signal,
    callId: 'call-1',
    opens: null,
    reading: null,
    now: '2026-01-02T03:04:05.000Z',
  });

  it('reads one in, and any worker searches and opens its documents', async () => {
    await work(await openCorpora());
    const { corpusId } = await upload({
      'guide/locks.md': '# Locks\n\nA worker renews its lock until the job ends.\n',
      'guide/same.md': '# Locks\n\nA worker renews its lock until the job ends.\n',
      'queues.txt': 'Queues hold jobs.\n',
      'photo.jpg': 'x',
    });
    const ready = await ended(corpusId);
    expect(ready).toMatchObject({ status: 'ready', documents: 2, skipped: 2, error: null });
    expect(ready.skips.map(({ path }) => path).sort()).toEqual(['guide/same.md', 'photo.jpg']);
    const elsewhere = await openCorpora();
    const search = await searchTool(elsewhere, null).run({ query: ['who renews the lock'] }, contextOf(corpusId));
    const [source] = search.observation.sources;
    expect(source?.uri).toBe('corpus:docs/guide/locks.md');
    const extraction = new Extraction();
    const visitor = visitTool({ corpora: await openCorpora(), extraction, pages: null });
    const visit = await visitor.run({ url: 'corpus:docs/queues.txt', goal: 'jobs' }, contextOf(corpusId));
    await extraction.close();
    expect([...visit.snapshots.values()]).toEqual(['Queues hold jobs.\n']);
    const stranger = await searchTool(await openCorpora(), null).run(
      { query: ['lock'] },
      { ...contextOf(corpusId), tenantId: 'stranger' },
    );
    expect(stranger.observation.sections[0]?.fault?.kind).toBe('invalid');
    expect(stranger.snapshots.size).toBe(0);
  });

  it('goes on with another worker when the first is stopped in the middle of one', async () => {
    const begun = Promise.withResolvers<void>();
    const stuck = {
      build: async (_request: BuildRequest, { signal }: SyncOptions = {}): Promise<never> => {
        begun.resolve();
        return await new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('stopped')));
        });
      },
    };
    const first = await work(stuck);
    const { corpusId, status } = await upload({ 'a.md': 'alpha' });
    expect(status).toBe('indexing');
    await begun.promise;
    await first.stop(0);
    await work(await openCorpora());
    await store().runs.reconcile();
    expect(await ended(corpusId)).toMatchObject({ status: 'ready', documents: 1 });
    expect(logged.map(({ event }) => event)).toEqual(['corpus indexed']);
  });

  it('ends one that holds nothing to read with the reason, and logs what fails inside', async () => {
    const real = await openCorpora();
    let fails = true;
    await work({
      build: async (request, options) => {
        if (fails) throw new Error('the disk is full');
        return await real.build(request, options);
      },
    });
    const { corpusId } = await upload({ 'a.jpg': 'picture' });
    while (logged.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(logged[0]).toMatchObject({ event: 'corpus failed in its worker', corpusId, message: 'the disk is full' });
    fails = false;
    const again = await upload({ 'b.jpg': 'picture' });
    expect(await ended(again.corpusId)).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/docs: holds no document.*b\.jpg|docs: holds no document.*not read/),
    });
  });
});
