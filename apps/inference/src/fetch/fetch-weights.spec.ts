/** Weights onto a volume, from real servers on loopback that break off, lie, and know no ranges. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type FetchOptions, type FetchRequest, fetchWeights } from './fetch-weights.ts';

const closing: (() => unknown)[] = [];
let volume: string;

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'argosy-fetch-'));
  closing.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

beforeEach(async () => {
  volume = join(await folder(), 'volume');
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const big = Buffer.alloc(300_000, 'weights of a model ');
const index = { weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' } };
const published: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{}'),
  'tokenizer.json': Buffer.from('{"t":1}'),
  'tokenizer_config.json': Buffer.from('{"c":1}'),
  'model.safetensors.index.json': Buffer.from(JSON.stringify(index)),
  'model-1.safetensors': big,
  'model-2.safetensors': Buffer.from('the second'),
};
const sumOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** What a server of files does wrong. */
interface Faults {
  /** Bytes of a body after which the connection is cut. */
  cutAfter?: number;
  noRanges?: boolean;
  noHead?: boolean;
  noTag?: boolean;
  /** The length that is told where only that is asked. */
  claims?: number;
  /** Status of every answer. */
  status?: number;
  /** Never answers. */
  hangs?: boolean;
}

interface FileServer {
  readonly url: string;
  readonly files: Record<string, Buffer>;
  readonly faults: Faults;
  /** Methods, names and ranges, in order. */
  readonly asked: string[];
}

async function fileServer(): Promise<FileServer> {
  const files = { ...published };
  const faults: Faults = {};
  const asked: string[] = [];
  const server = createServer((request, response) => answer({ files, faults, asked }, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // a TCP server's address is never a pipe name
  return { url: `http://127.0.0.1:${port}/models/one`, files, faults, asked };
}

type Serving = Pick<FileServer, 'files' | 'faults' | 'asked'>;

function answer({ files, faults, asked }: Serving, request: IncomingMessage, response: ServerResponse): void {
  const { method = '', headers, url = '' } = request;
  const name = url.replace('/models/one/', '');
  asked.push([method, name, headers.range].filter(Boolean).join(' '));
  if (faults.hangs) return;
  const bytes = files[name];
  const status = faults.status ?? (bytes === undefined ? 404 : method === 'HEAD' && faults.noHead ? 405 : 200);
  if (bytes === undefined || status !== 200) {
    response.writeHead(status).end();
    return;
  }
  const tag = `"${sumOf(bytes)}"`;
  const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
  const resumes = from !== undefined && !faults.noRanges && headers['if-range'] === tag;
  const start = resumes ? Number(from) : 0;
  const rest = bytes.subarray(start);
  const range = { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(resumes ? 206 : 200, {
    'content-length': (method === 'HEAD' && faults.claims) || rest.length,
    ...(!faults.noTag && { etag: tag }),
    ...(resumes && range),
  });
  if (method === 'HEAD') response.end();
  else if (faults.cutAfter === undefined || rest.length <= faults.cutAfter) response.end(rest);
  else if (faults.cutAfter === 0) response.destroy();
  else response.write(rest.subarray(0, faults.cutAfter), () => response.destroy());
}

/** What was on its way when a connection is cut may be lost with it: on a busy machine a try may bring nothing. */
const quick = { retryMs: 1, mostTries: 12, silenceMs: 60_000 };
const quickLock = { beatMs: 20, deadMs: 400, patienceMs: 60_000 };

async function fetched(from: string, changes: Partial<FetchRequest> = {}, options: Partial<FetchOptions> = {}) {
  const signal = new AbortController().signal;
  const usual = { say: () => undefined, signal, downloadTimes: quick, lockTimes: quickLock };
  return await fetchWeights({ from, to: volume, sha256s: null, rehash: false, ...changes }, { ...usual, ...options });
}

async function sumsFile(files: Readonly<Record<string, Buffer>>): Promise<string> {
  const path = join(await folder(), 'SHA256SUMS');
  await writeFile(
    path,
    Object.entries(files)
      .map(([name, bytes]) => `${sumOf(bytes)}  ${name}\n`)
      .join(''),
  );
  return path;
}

async function stored(): Promise<Record<string, string>> {
  const names = (await readdir(volume)).filter((name) => !name.startsWith('.'));
  const pairs = await Promise.all(
    names.map(async (name) => [name, sumOf(await readFile(join(volume, name)))] as const),
  );
  return Object.fromEntries(pairs);
}

const whole = Object.fromEntries(Object.entries(published).map(([name, bytes]) => [name, sumOf(bytes)]));

describe('from an address', () => {
  it('takes what the checkpoint names, and nothing the second time', async () => {
    const server = await fileServer();
    const manifest = await fetched(`${server.url}/`);
    expect(await stored()).toEqual(whole);
    expect(Object.fromEntries(manifest.files.map(({ name, sha256 }) => [name, sha256]))).toEqual(whole);
    server.asked.length = 0;
    expect(await fetched(server.url)).toEqual(manifest);
    expect(server.asked).toEqual([]);
  });

  it('takes one file of weights where there is no index', async () => {
    const server = await fileServer();
    for (const name of ['model.safetensors.index.json', 'model-1.safetensors', 'model-2.safetensors'])
      delete server.files[name];
    server.files['model.safetensors'] = big;
    await fetched(server.url);
    expect(await stored()).toMatchObject({ 'model.safetensors': sumOf(big) });
  });

  it('goes on where a connection was cut, again and again', async () => {
    const server = await fileServer();
    server.faults.cutAfter = 70_000;
    await fetched(server.url);
    expect(await stored()).toEqual(whole);
    const ranges = server.asked.filter((line) => line.startsWith('GET model-1.safetensors'));
    expect(ranges.length).toBeGreaterThan(3);
    expect(ranges.at(-1)).toMatch(/bytes=\d{5,}-/);
  });

  it('goes on in another process where one gave up, and says that it will', async () => {
    const server = await fileServer();
    server.faults.cutAfter = 0;
    const few = { downloadTimes: { ...quick, mostTries: 4 } };
    const sums = await sumsFile({ 'model-1.safetensors': big });
    await expect(fetched(server.url, { sha256s: sums }, few)).rejects.toThrow(
      /did not go on in 4 tries.*the same command goes on with it/,
    );
    server.faults.cutAfter = 200_000;
    await expect(fetched(server.url, {}, { downloadTimes: { ...quick, mostTries: 1 } })).rejects.toThrow(
      /did not go on/,
    );
    delete server.faults.cutAfter;
    server.asked.length = 0;
    await fetched(server.url);
    expect(server.asked.some((line) => /^GET model-1\.safetensors bytes=\d+-$/.test(line))).toBe(true);
    expect(await stored()).toEqual(whole);
  });

  it.each(['noRanges', 'noTag', 'noHead'] as const)('works with a server that has %s', async (fault) => {
    const server = await fileServer();
    server.faults[fault] = true;
    await fetched(server.url);
    expect(await stored()).toEqual(whole);
  });

  it('begins a file anew that changed in the middle', async () => {
    const server = await fileServer();
    server.faults.cutAfter = 100_000;
    const once = { downloadTimes: { ...quick, mostTries: 1 } };
    await expect(fetched(server.url, {}, once)).rejects.toThrow(/did not go on/);
    delete server.faults.cutAfter;
    const other = Buffer.alloc(250_000, 'other weights ');
    server.files['model-1.safetensors'] = other;
    await fetched(server.url);
    expect(await stored()).toMatchObject({ 'model-1.safetensors': sumOf(other) });
  });

  it('gives up a server that says nothing', async () => {
    const server = await fileServer();
    const sums = await sumsFile(published);
    await fetched(server.url, { sha256s: sums });
    await rm(join(volume, 'model-2.safetensors'));
    const silent = { ...quick, silenceMs: 50, mostTries: 2 };
    server.faults.hangs = true;
    const attempt = fetched(server.url, { sha256s: sums }, { downloadTimes: silent });
    await expect(attempt).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/does not answer/),
    });
    expect((await readdir(volume)).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it.each([
    [404, /config\.json: .* answers 404 for it: check the address/],
    [403, /answers 403.*use a mirror/],
  ])('says what to do about %d', async (status, words) => {
    const server = await fileServer();
    server.faults.status = status;
    await expect(fetched(server.url)).rejects.toThrow(words);
  });

  it('takes no index that names files elsewhere', async () => {
    const server = await fileServer();
    server.files['model.safetensors.index.json'] = Buffer.from(
      JSON.stringify({ weight_map: { a: '../../etc/passwd' } }),
    );
    await expect(fetched(server.url)).rejects.toThrow(/names "\.\.\/\.\.\/etc\/passwd", which is no file beside it/);
  });
});

describe('hashes', () => {
  it('hold for each file that is named, and no other is taken', async () => {
    const server = await fileServer();
    const { 'model-2.safetensors': _, ...most } = published;
    await fetched(server.url, { sha256s: await sumsFile(most) });
    expect(Object.keys(await stored())).not.toContain('model-2.safetensors');
  });

  it('refuse a file that is another one, after a second try, and leave nothing under its name', async () => {
    const server = await fileServer();
    const sums = await sumsFile(published);
    server.files['model-1.safetensors'] = Buffer.from('something else');
    await expect(fetched(server.url, { sha256s: sums })).rejects.toMatchObject({ code: 'wrong_hash' });
    expect(Object.keys(await stored())).not.toContain('model-1.safetensors');
    expect(server.asked.filter((line) => line === 'GET model-1.safetensors')).toHaveLength(2);
    expect(await readdir(volume)).not.toContain('.argosy-weights.json');
  });

  it('that changed fetch what they name anew', async () => {
    const server = await fileServer();
    await fetched(server.url, { sha256s: await sumsFile(published) });
    const next = { ...published, 'model-2.safetensors': Buffer.from('the second, mended') };
    Object.assign(server.files, next);
    server.asked.length = 0;
    await fetched(server.url, { sha256s: await sumsFile(next) });
    expect(server.asked.filter((line) => line.startsWith('GET'))).toEqual(['GET model-2.safetensors']);
  });

  it('need not be read again unless that is asked for', async () => {
    const server = await fileServer();
    await fetched(server.url);
    const damaged = join(volume, 'model-1.safetensors');
    await writeFile(damaged, Buffer.alloc(big.length, 'rotten '));
    await fetched(server.url);
    expect(sumOf(await readFile(damaged))).not.toBe(sumOf(big));
    await fetched(server.url, { rehash: true });
    expect(sumOf(await readFile(damaged))).toBe(sumOf(big));
    await writeFile(damaged, 'short');
    await fetched(server.url);
    expect(sumOf(await readFile(damaged))).toBe(sumOf(big));
  });

  it.each([
    ['nothing', '', /names no file/],
    ['a word', 'abc', /:1: is no hash and name/],
    ['a path', `${'a'.repeat(64)}  ../x`, /:1: is no hash and name/],
  ])('in a list of %s are refused', async (_, text, words) => {
    const path = join(await folder(), 'list');
    await writeFile(path, text);
    await expect(fetched('http://127.0.0.1:9/', { sha256s: path })).rejects.toThrow(words);
  });
});

describe('from a folder', () => {
  it('takes every file, those behind links too', async () => {
    const from = await folder();
    await mkdir(join(from, 'blobs'));
    for (const [name, bytes] of Object.entries(published)) {
      await writeFile(join(from, 'blobs', name), bytes);
      await symlink(join('blobs', name), join(from, name));
    }
    await fetched(from);
    expect(await stored()).toEqual(whole);
    await utimes(join(volume, 'config.json'), 1, 1);
    await fetched(from);
  });

  it('refuses one that is no checkpoint, or not there', async () => {
    await expect(fetched(await folder())).rejects.toThrow(/config\.json: is not in .*it is no checkpoint/);
    await expect(fetched('/nowhere/at/all')).rejects.toThrow(/--from: cannot be read/);
  });
});

describe('a volume', () => {
  it('is written by one of several that begin at once; the others find it whole', async () => {
    const server = await fileServer();
    const said: string[] = [];
    const all = await Promise.all(
      Array.from({ length: 4 }, () => fetched(server.url, {}, { say: (line) => said.push(line) })),
    );
    for (const manifest of all) expect(manifest).toEqual(all[0]);
    expect(server.asked.filter((line) => line.startsWith('GET model-1'))).toHaveLength(1);
    expect(said.some((line) => line.includes('waiting for it'))).toBe(true);
    expect((await readdir(volume)).filter((name) => /lock|part|draft/.test(name))).toEqual([]);
  });

  it('is taken over from one that died in the middle', async () => {
    const server = await fileServer();
    await mkdir(volume);
    await writeFile(join(volume, '.argosy-weights.lock'), 'somebody-who-died 3');
    await fetched(server.url);
    expect(await stored()).toEqual(whole);
  });

  it('that is too small is refused before anything comes', async () => {
    const server = await fileServer();
    server.faults.claims = 9_000_000_000_000_000;
    await expect(fetched(server.url, { sha256s: await sumsFile(published) })).rejects.toMatchObject({
      code: 'volume_full',
      message: expect.stringMatching(/has .* GB free, and 54000000\.00 GB are to come: .* are lacking/),
    });
    expect(server.asked.filter((line) => line.startsWith('GET'))).toEqual([]);
  });
});
