import { createHash, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type CorpusResource, corpusResource, errorResource } from '#contracts';
import { InvalidInput } from '#errors';
import { jsonLogger, metricsText, startMetrics } from '#platform';
import { DataDirectory, openEmbedded, type Runs } from '#runs';
import { ApiDocument } from '../../../test/support/api-document.ts';
import { useStore } from '../../../test/support/embedded.ts';
import { offerOf } from '../../../test/support/offers.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './index.ts';

const offer = offerOf();
const logged: string[] = [];
const logger = jsonLogger('gateway', 'error', (line) => logged.push(line));

/** Gateways of two tenants on one database; a worker of ours indexes what is not called `bad`. */
const stack = useStore(async (folder) => {
  await startMetrics('test');
  const directory = DataDirectory.hold(folder);
  const store = await openEmbedded(directory);
  const { runs } = store;
  const member = await runs.join({ workerId: 'test-worker', role: 'tool-worker', slots: 1 });
  const indexing = await runs.corpora.answer(member, { concurrency: 1 }, async (claim) => {
    if (claim.name === 'bad') throw new InvalidInput([{ path: 'bad', message: 'holds no document' }]);
    const report = { format: 1, documents: 1, passages: 2, skipped: 1, skips: [{ path: 'b.bin', reason: 'binary' }] };
    await runs.corpora.keep(claim, { ...report, source: one(Buffer.from('index')) });
  });
  const gateways: Gateway[] = [];
  for (const tenantId of ['local', 'other']) {
    gateways.push(await Gateway.start(runs, offer, { host: '127.0.0.1', port: 0, tenantId, signingKey }, logger));
  }
  const close = async (): Promise<void> => {
    for (const gateway of gateways) await gateway.stop();
    await indexing.close({ abortAfterMs: 0 });
    await member.end();
    await store.close();
    await directory.release();
  };
  return { runs, gateways, document: await ApiDocument.of(gateways[0]?.url ?? ''), close };
});

async function* one(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

const runs = (): Runs => stack().runs;
const urlOf = (tenant: number): string => stack().gateways[tenant]?.url ?? '';

async function call(path: string, init: RequestInit = {}, tenant = 0): Promise<Response> {
  const response = await fetch(new URL(path, urlOf(tenant)), init);
  await stack().document.check(init.method ?? 'GET', response);
  return response;
}

async function post(path: string, body: unknown, tenant = 0): Promise<Response> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  return await call(path, init, tenant);
}

async function offered(name: string, files: unknown, tenant = 0): Promise<CorpusResource> {
  const response = await post('/v1/corpora', { name, files }, tenant);
  expect(response.status).toBe(200);
  return corpusResource.parse(await response.json());
}

async function put(sha256: string, data: Uint8Array, tenant = 0, type = 'application/octet-stream'): Promise<Response> {
  const init = { method: 'PUT', headers: { 'content-type': type }, body: new Blob([new Uint8Array(data)]) };
  return await call(`/v1/corpora/files/${sha256}`, init, tenant);
}

async function refusal(response: Response) {
  const { error } = errorResource.parse(await response.json());
  return { status: response.status, ...error };
}

const sha256Of = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
const fileOf = (path: string, data: Uint8Array) => ({ path, sha256: sha256Of(data), bytes: data.byteLength });

async function ended(id: string): Promise<CorpusResource> {
  for (;;) {
    const corpus = corpusResource.parse(await (await call(`/v1/corpora/${id}`)).json());
    if (corpus.status !== 'indexing') return corpus;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Uploads a folder of one file. @returns the corpus when its indexing has ended */
async function uploaded(name: string, data = Buffer.from(randomUUID())): Promise<CorpusResource> {
  const files = [fileOf('a.md', data)];
  for (const sha256 of (await offered(name, files)).missing) expect((await put(sha256, data)).status).toBe(204);
  return await ended((await offered(name, files)).id);
}

beforeEach(() => {
  logged.length = 0;
});

describe('POST /v1/corpora', () => {
  it('takes a folder file by file until it is ready, and the same one again without a file', async () => {
    const data = Buffer.from(`# Bells\n\n${randomUUID()}`);
    const files = [fileOf('docs/bells.md', data)];
    const first = await offered('docs', files);
    expect(first).toMatchObject({ status: 'uploading', name: 'docs', files: 1, bytes: data.byteLength, error: null });
    expect(first.missing).toEqual([sha256Of(data)]);
    expect((await put(sha256Of(data), data)).status).toBe(204);
    expect((await put(sha256Of(data), data)).status).toBe(204);
    expect(await offered('docs', files)).toMatchObject({ id: first.id, missing: [] });
    const ready = await ended(first.id);
    expect(ready).toMatchObject({ status: 'ready', documents: 1, passages: 2, skipped: 1 });
    expect(ready.skips).toEqual([{ path: 'b.bin', reason: 'binary' }]);
    expect(await offered('docs', files)).toMatchObject({ id: first.id, status: 'ready', missing: [] });
  });

  it('says why a folder could not be indexed', async () => {
    expect(await uploaded('bad')).toMatchObject({ status: 'failed', error: 'bad: holds no document' });
  });

  it('lists every fault of a manifest', async () => {
    const good = fileOf('a.md', Buffer.from('a'));
    const told = await refusal(
      await post('/v1/corpora', {
        name: 'a/b',
        colour: 1,
        files: [
          good,
          good,
          { ...good, path: '../secret' },
          { ...good, path: '/etc/passwd' },
          { ...good, path: 'a//b' },
          { ...good, path: 'a/./b' },
          { ...good, path: 'a\nb' },
          { ...good, path: 'b.md', sha256: 'ABC', bytes: 0 },
          { ...good, path: 'c.md', bytes: 65 * 1024 * 1024 },
          { ...good, path: 'd.md', mode: 7 },
        ],
      }),
    );
    expect(told).toMatchObject({ status: 422, code: 'validation_failed' });
    for (const path of [1, 2, 3, 4, 5, 6].map((index) => `files.${index}.path:`)) expect(told.message).toContain(path);
    for (const fault of ['name:', '"colour"', 'files.7.sha256:', 'files.7.bytes:', 'files.8.bytes:', '"mode"']) {
      expect(told.message).toContain(fault);
    }
    expect(told.message).not.toContain('files.0');
  });

  it.each<[string, unknown, RegExp]>([
    ['no file', { name: 'docs', files: [] }, /files: there is no file/],
    ['no files', { name: 'docs' }, /files: /],
    ['no name', { files: [fileOf('a.md', Buffer.from('a'))] }, /name: /],
    ['an empty name', { name: '', files: [fileOf('a.md', Buffer.from('a'))] }, /name: /],
    ['no object', 7, /expected object/],
  ])('refuses %s', async (_, body, words) => {
    expect(await refusal(await post('/v1/corpora', body))).toMatchObject({
      status: 422,
      code: 'validation_failed',
      message: expect.stringMatching(words),
    });
  });

  it('tells the first faults of very many, and that there are more', async () => {
    const files = Array.from({ length: 5_000 }, () => ({ path: '..', sha256: '', bytes: 0 }));
    const { message } = await refusal(await post('/v1/corpora', { name: 'docs', files }));
    expect(message.split('\n').length).toBeLessThan(30);
    expect(message).toContain('and more files with faults');
  });

  it('refuses more files, and more bytes, than a corpus may have', async () => {
    const many = Array.from({ length: 100_001 }, () => 0);
    expect((await refusal(await post('/v1/corpora', { name: 'docs', files: many }))).message).toContain('100000 files');
    const large = Array.from({ length: 40 }, (_, index) => ({
      ...fileOf(`${index}.md`, Buffer.from('a')),
      bytes: 64 * 1024 * 1024,
    }));
    expect((await refusal(await post('/v1/corpora', { name: 'docs', files: large }))).message).toContain(
      'bytes are more',
    );
  });

  it('takes a manifest above the size of other bodies, and none above its own', async () => {
    const files = Array.from({ length: 10_000 }, (_, index) => ({
      ...fileOf(`${'folder/'.repeat(10)}${index}.md`, Buffer.from('a')),
    }));
    expect(JSON.stringify(files).length).toBeGreaterThan(1_100_000);
    const corpus = await offered('large', files);
    expect(corpus).toMatchObject({ files: 10_000, missing: [files[0]?.sha256] });
    expect(await refusal(await post('/v1/corpora', 'x'.repeat(33 * 1024 * 1024)))).toMatchObject({ status: 413 });
  });
});

describe('POST /v1/corpora/files', () => {
  const formOf = (
    name: string | null,
    files: readonly (readonly [path: string, data: string])[],
    others: Readonly<Record<string, string>> = {},
  ): FormData => {
    const form = new FormData();
    for (const [field, value] of Object.entries(others)) form.append(field, value);
    for (const [path, data] of files) form.append('file', new Blob([data]), path);
    if (name !== null) form.append('name', name);
    return form;
  };
  const send = async (form: FormData, tenant = 0): Promise<Response> =>
    await call('/v1/corpora/files', { method: 'POST', body: form }, tenant);
  it('takes a folder at once: the corpus that its hashes would have made', async () => {
    const texts = [randomUUID(), `${randomUUID()}${'ä'.repeat(2_000_000)}`];
    const files = texts.map((text, index) => [`a/${index}.md`, text] as const);
    const sent = corpusResource.parse(await (await send(formOf('docs', files))).json());
    expect(sent).toMatchObject({ name: 'docs', files: 2, missing: [] });
    expect(await ended(sent.id)).toMatchObject({ status: 'ready' });
    const manifest = files.map(([path, text]) => fileOf(path, Buffer.from(text)));
    expect(await offered('docs', manifest)).toMatchObject({ id: sent.id, status: 'ready' });
    // Again, and under another name: nothing is kept twice.
    expect((await send(formOf('docs', files))).status).toBe(200);
    const other = corpusResource.parse(await (await send(formOf('others', files))).json());
    expect(await ended(other.id)).toMatchObject({ status: 'ready', files: 2 });
  });

  it.each<[string, FormData | string, number, RegExp]>([
    ['no name', formOf(null, [['a.md', 'a']]), 422, /name: /],
    ['no file', formOf('docs', []), 422, /no file/],
    ['a field that is none', formOf('docs', [['a.md', 'a']], { colour: 'red' }), 422, /colour/],
    [
      'paths out of the folder, an empty file and the same path twice, all told',
      formOf('docs', [
        ['../a.md', 'a'],
        ['b.md', ''],
        ['c.md', 'c'],
        ['c.md', 'd'],
      ]),
      422,
      /files\.0\.path.*files\.1\.bytes.*files\.3\.path/s,
    ],
    [
      'more files than one form holds',
      formOf(
        'docs',
        Array.from({ length: 1_001 }, (_, n) => [`${n}.md`, `${n}`] as const),
      ),
      422,
      /at most 1000 files/,
    ],
    ['what is no form', 'not a form', 415, /multipart/],
  ])('refuses %s', async (_, body, status, words) => {
    const headers: Record<string, string> = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
    const init = { method: 'POST', body: typeof body === 'string' ? JSON.stringify(body) : body, headers };
    const told = await refusal(await call('/v1/corpora/files', init));
    expect(told).toMatchObject({ status, message: expect.stringMatching(words) });
  });

  it.each([
    ['without a boundary', 'multipart/form-data', 'x'],
    [
      'that ends too early',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="f"; filename="a.md"\r\n\r\nhalf',
    ],
  ])('refuses a form %s', async (_, type, body) => {
    const init = { method: 'POST', headers: { 'content-type': type }, body: new Blob([body]) };
    expect(await refusal(await call('/v1/corpora/files', init))).toMatchObject({ status: 400, code: 'bad_request' });
  });

  it('keeps nothing of a client that leaves in the middle, and goes on', async () => {
    const aborted = (text: string): number =>
      Number(/refusals_total{[^}]*code="aborted"[^}]*} (\d+)/.exec(text)?.[1] ?? 0);
    const before = aborted(await metricsText());
    const headers = { 'content-type': 'multipart/form-data; boundary=x', 'content-length': '9000000' };
    const request = httpRequest(new URL('/v1/corpora/files', urlOf(0)), { method: 'POST', headers });
    const closed = new Promise((resolve) => request.once('close', resolve));
    request.once('error', () => undefined);
    const head = '--x\r\nContent-Disposition: form-data; name="f"; filename="a.md"\r\n\r\n';
    await new Promise((resolve) => request.write(head + 'a'.repeat(3_000_000), resolve));
    request.destroy();
    await closed;
    // The answer that nobody hears.
    while (aborted(await metricsText()) === before) await call('/healthz');
    expect(logged).toEqual([]);
  });
});

describe('PUT /v1/corpora/files/{sha256}', () => {
  it('refuses other bytes than the hash says, and takes the right ones afterwards', async () => {
    const data = Buffer.from(randomUUID());
    const file = fileOf('a.md', data);
    await offered('docs', [file]);
    for (const wrong of [data.subarray(1), Buffer.concat([data, data]), Buffer.from(randomUUID())]) {
      expect(await refusal(await put(file.sha256, wrong))).toMatchObject({ status: 422, code: 'hash_mismatch' });
    }
    expect((await offered('docs', [file])).missing).toEqual([file.sha256]);
    expect((await put(file.sha256, data)).status).toBe(204);
  });

  it('answers a client that sends far too much', async () => {
    const data = Buffer.from(randomUUID());
    const file = fileOf('a.md', data);
    await offered('docs', [file]);
    const much = await refusal(await put(file.sha256, Buffer.alloc(20 * 1024 * 1024)));
    expect(much).toMatchObject({ status: 422, code: 'hash_mismatch' });
    const toolarge = await refusal(await put(file.sha256, Buffer.alloc(65 * 1024 * 1024)));
    expect(toolarge).toMatchObject({ status: 413 });
  });

  it('takes only files that a corpus of the tenant names', async () => {
    const data = Buffer.from(randomUUID());
    await offered('docs', [fileOf('a.md', data)]);
    expect(await refusal(await put(sha256Of(data), data, 1))).toMatchObject({ status: 404, code: 'not_found' });
    expect((await offered('docs', [fileOf('a.md', data)], 1)).missing).toEqual([sha256Of(data)]);
  });

  it.each([
    ['a name that is no hash', 'abc', 'application/octet-stream', 422],
    ['an upper-case hash', 'A'.repeat(64), 'application/octet-stream', 422],
    ['JSON', sha256Of(Buffer.from('x')), 'application/json', 415],
    ['another type', sha256Of(Buffer.from('x')), 'text/plain', 415],
  ])('refuses %s', async (_, name, type, status) => {
    expect(await refusal(await put(name, Buffer.from('"x"'), 0, type))).toMatchObject({ status });
  });

  it('keeps nothing of a client that leaves in the middle, and logs no fault of ours', async () => {
    const data = Buffer.alloc(3 * 1024 * 1024, randomUUID());
    const file = fileOf('a.md', data);
    const { id } = await offered('docs', [file]);
    const url = new URL(`/v1/corpora/files/${file.sha256}`, urlOf(0));
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(data.byteLength) };
    const request = httpRequest(url, { method: 'PUT', headers });
    const closed = new Promise((resolve) => request.once('close', resolve));
    request.once('error', () => undefined);
    await new Promise((resolve) => request.write(data.subarray(0, 2 * 1024 * 1024), resolve));
    request.destroy();
    await closed;
    // The answer that nobody hears.
    while (!/refusals_total{[^}]*code="aborted"/.test(await metricsText())) await call('/healthz');
    expect((await put(file.sha256, data)).status).toBe(204);
    expect(corpusResource.parse(await (await call(`/v1/corpora/${id}`)).json()).missing).toEqual([]);
    expect(logged).toEqual([]);
  });
});

describe('GET /v1/corpora', () => {
  it("lists the tenant's own, newest first, page by page", async () => {
    const ids: string[] = [];
    for (const name of ['x', 'y', 'z']) ids.unshift((await offered(name, [fileOf('a.md', Buffer.from(name))])).id);
    const page = async (query: string, tenant = 0) =>
      (await (await call(`/v1/corpora?${query}`, {}, tenant)).json()) as {
        data: CorpusResource[];
        next: string | null;
      };
    const first = await page('limit=2');
    const second = await page(`limit=1&before=${first.next}`);
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(ids);
    expect((await page('limit=100', 1)).data.map(({ id }) => id)).not.toContain(ids[0]);
    expect(await refusal(await call('/v1/corpora?limit=0'))).toMatchObject({ status: 422 });
  });

  it('knows no corpus of another tenant, and none that is none', async () => {
    const { id } = await offered('mine', [fileOf('a.md', Buffer.from('mine'))]);
    expect(await refusal(await call(`/v1/corpora/${id}`, {}, 1))).toMatchObject({ status: 404, code: 'not_found' });
    expect(await refusal(await call('/v1/corpora/c_x'))).toMatchObject({ status: 404 });
  });
});

describe('POST /v1/research with uploaded corpora', () => {
  const ask = async (ids: readonly string[], tenant = 0): Promise<Response> =>
    await post('/v1/research', { question: 'Why?', sources: { corpora: ids } }, tenant);

  it('accepts one that is ready, and says of each other why not', async () => {
    const ready = await uploaded('docs');
    const failed = await uploaded('bad');
    const early = await offered('early', [fileOf('a.md', Buffer.from(randomUUID()))]);
    expect((await ask([ready.id])).status).toBe(202);
    const told = await refusal(await ask([ready.id, failed.id, early.id, 'c_ffffffffffffffff']));
    expect(told).toMatchObject({ status: 422, code: 'validation_failed', param: 'sources.corpora' });
    expect(told.message.split('\n')).toEqual([
      expect.stringMatching(`${failed.id} could not be indexed: bad: holds no document`),
      expect.stringMatching(`${early.id} is still uploading`),
      expect.stringMatching('there is no corpus c_f+'),
    ]);
    expect(await refusal(await ask([ready.id], 1))).toMatchObject({ status: 422 });
    expect(await runs().corpora.faults('local', [ready.id])).toEqual(new Map());
  });
});
