import { createHash } from 'node:crypto';
import {
  cp,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput, NotFound, Unavailable } from '#errors';
import { smallPdf } from '../testing/pdf.contract.ts';
import { Corpora } from './corpora.ts';
import type { CorpusReport } from './types.ts';

const LOCKS = '# Locks\n\nA worker renews its lock. Set lockDuration for longer jobs.\n';

let base: string;
let root: string;
let corpora: Corpora;
const opened: Corpora[] = [];

async function openCorpora(): Promise<Corpora> {
  const made = await Corpora.open(join(base, 'index'));
  opened.push(made);
  return made;
}

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

const reasonOf = (report: CorpusReport, path: string) => report.skipped.find((s) => s.path === path)?.reason;
const query = (...words: string[]) => ({ groups: words.map((word) => ({ terms: [word], weight: 1 })) });
const indexFile = (id: string) => join(base, 'index', `${id}.sqlite`);

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'argosy-corpora-'));
  root = join(base, 'docs');
  await mkdir(root);
  corpora = await openCorpora();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((made) => made.close()));
  await rm(base, { recursive: true, force: true });
});
afterAll(() => expect(opened).toEqual([]));

describe('Corpora.sync', () => {
  it('indexes a folder and finds its passages verbatim, by word, identifier part and stem', async () => {
    await put('guide/locks.md', LOCKS);
    await put('queues.txt', 'Queues hold jobs.\r\nThey wait there.\r\n');
    const report = await corpora.sync(root);
    expect(report).toMatchObject({ name: 'docs', documents: 2, added: 2, changed: 0, removed: 0, skipped: [] });
    for (const word of ['lockDuration', 'duration', 'renewing']) {
      const [hit] = await corpora.match([report.id], query(word), 10);
      expect(hit).toMatchObject({ uri: 'corpus:docs/guide/locks.md', title: 'Locks', order: 0 });
      const text = await corpora.text(hit?.sha256 ?? '');
      expect(text?.slice(hit?.start, hit?.end)).toBe(hit?.text);
      expect(
        createHash('sha256')
          .update(text ?? '')
          .digest('hex'),
      ).toBe(hit?.sha256);
    }
    const document = await corpora.document([report.id], 'corpus:docs/queues.txt');
    expect(document?.text).toBe('Queues hold jobs.\nThey wait there.\n');
    expect(document?.source).toMatchObject({ title: 'queues.txt', bytes: 35 });
  });

  it('names each file that it leaves out, with the reason', async () => {
    await put('ok.md', LOCKS);
    await put('copy.md', LOCKS);
    await put('bundle.min.js', 'x');
    await put('bundle.js.map', '{}');
    await put('package-lock.json', '{}');
    await put('nul.txt', 'a\0b');
    await put('latin.txt', Buffer.from([0x66, 0xfc, 0x72]));
    await put('blank.md', ' \n');
    await put('photo.png', 'x');
    await put('broken.pdf', '%PDF-1.7 no');
    await put('node_modules/x/readme.md', 'hidden');
    await put('.git/config.md', 'hidden');
    await writeFile(join(base, 'secret.md'), 'outside');
    await symlink(join(base, 'secret.md'), join(root, 'leak.md'));
    await put('huge.txt', '');
    await truncate(join(root, 'huge.txt'), 11 * 1024 * 1024);
    const report = await corpora.sync(root);
    expect(report.documents).toBe(1);
    const expected: Record<string, RegExp> = {
      'ok.md': /same content as copy\.md/,
      'bundle.min.js': /minified/,
      'bundle.js.map': /source map/,
      'package-lock.json': /lock file/,
      'nul.txt': /binary/,
      'latin.txt': /UTF-8/,
      'blank.md': /no text/,
      'photo.png': /not read/,
      'broken.pdf': /PDF cannot be read/,
      'node_modules/': /packages/,
      '.git/': /hidden/,
      'leak.md': /leaves the folder/,
      'huge.txt': /10 MiB/,
    };
    for (const [path, reason] of Object.entries(expected))
      expect([path, reasonOf(report, path)]).toEqual([path, expect.stringMatching(reason)]);
    expect(report.skipped).toHaveLength(Object.keys(expected).length);
  });

  it('reads HTML and PDF files through the extraction threads', async () => {
    await put(
      'page.html',
      '<html><head><title>Page</title></head><body><h1>Page</h1><p>Stalled jobs are moved back.</p></body></html>',
    );
    await put('paper.pdf', smallPdf(['Backoff grows exponentially']));
    const { id } = await corpora.sync(root);
    const uris = (await corpora.match([id], query('stalled', 'backoff'), 10)).map((hit) => hit.uri).sort();
    expect(uris).toEqual(['corpus:docs/page.html', 'corpus:docs/paper.pdf']);
  });

  it('takes in changes, keeps what is unchanged and forgets what is gone', async () => {
    await put('a.md', 'alpha one');
    await put('b.md', 'beta one');
    await put('c.md', 'gamma one');
    await put('d.md', 'delta one');
    const first = await corpora.sync(root);
    await put('b.md', 'beta two and more');
    await rm(join(root, 'c.md'));
    await put('e.md', 'epsilon');
    await utimes(join(root, 'a.md'), new Date(), new Date());
    const second = await corpora.sync(root);
    expect(second).toMatchObject({ id: first.id, documents: 4, added: 1, changed: 1, removed: 1 });
    const found = async (word: string) => (await corpora.match([first.id], query(word), 10)).map((hit) => hit.text);
    expect(await found('beta')).toEqual(['beta two and more']);
    expect(await found('gamma')).toEqual([]);
    expect((await corpora.statistics([first.id], ['one', 'gamma'])).documentFrequency).toEqual({ one: 2, gamma: 0 });
  });

  it('does not read a file again whose size and time are as they were', async () => {
    await put('a.md', 'alpha one');
    const at = new Date('2026-01-01T00:00:00Z');
    await utimes(join(root, 'a.md'), at, at);
    const { id } = await corpora.sync(root);
    await put('a.md', 'ALPHA TWO');
    await utimes(join(root, 'a.md'), at, at);
    expect(await corpora.sync(root)).toMatchObject({ changed: 0 });
    expect((await corpora.match([id], query('alpha'), 1))[0]?.text).toBe('alpha one');
  });

  it('keeps a document whose first file goes while another with the same content stays', async () => {
    await put('cjs/x.d.ts', 'export declare function shared(): void;\n');
    await put('esm/x.d.ts', 'export declare function shared(): void;\n');
    const { id } = await corpora.sync(root);
    await rename(join(root, 'cjs'), join(base, 'cjs'));
    expect(await corpora.sync(root)).toMatchObject({ documents: 1, removed: 1, skipped: [] });
    expect((await corpora.match([id], query('shared'), 5)).map((h) => h.uri)).toEqual(['corpus:docs/esm/x.d.ts']);
  });

  it('keeps the other copy when the first is changed in the same sync in which a third appears', async () => {
    await put('a.md', 'same words');
    const { id } = await corpora.sync(root);
    await put('a.md', 'other words here');
    await put('b.md', 'same words');
    await corpora.sync(root);
    expect((await corpora.match([id], query('same'), 5)).map((h) => h.uri)).toEqual(['corpus:docs/b.md']);
    expect((await corpora.match([id], query('other'), 5)).map((h) => h.uri)).toEqual(['corpus:docs/a.md']);
  });

  it('indexes a root that lies in node_modules, and a single file', async () => {
    const inside = join(base, 'node_modules', 'lib');
    await mkdir(inside, { recursive: true });
    await writeFile(join(inside, 'readme.md'), LOCKS);
    expect(await corpora.sync(inside)).toMatchObject({ name: 'lib', documents: 1 });
    const single = await corpora.sync(join(inside, 'readme.md'));
    expect((await corpora.match([single.id], query('lock'), 1))[0]?.uri).toBe('corpus:readme.md/readme.md');
  });

  it('tells two roots of one name apart', async () => {
    await put('a.md', 'alpha');
    const other = join(base, 'other', 'docs');
    await cp(root, other, { recursive: true });
    const reports = await Promise.all([corpora.sync(root), corpora.sync(other)]);
    expect(reports.map((r) => r.name).sort()).toEqual(['docs', 'docs~2']);
    const hits = await corpora.match(
      reports.map((r) => r.id),
      query('alpha'),
      5,
    );
    expect(hits.map((h) => h.uri).sort()).toEqual(['corpus:docs/a.md', 'corpus:docs~2/a.md']);
  });

  it.each([
    ['a path that is not there', 'nowhere', null, /no such file or folder/],
    ['an empty folder', 'empty/', null, /nothing at all.*Markdown/],
    ['a folder of pictures', 'pictures/a.png', 'x', /1 x|not read.*Markdown/],
    ['a single picture', 'a.png', 'x', /not read/],
    ['a single binary file', 'a.txt', 'a\0b', /binary/],
    ['a single broken PDF', 'a.pdf', '%PDF-1.7 no', /PDF cannot be read/],
  ])('refuses %s and says what to do', async (_, path, content, message) => {
    if (content !== null) await put(path, content);
    else if (path.endsWith('/')) await mkdir(join(root, path));
    const target = path.includes('/') ? join(root, dirname(`${path}x`)) : join(root, path);
    const failure = await corpora.sync(target).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InvalidInput);
    expect(String(failure)).toMatch(message);
  });

  it('rebuilds an index of another version and a damaged one, and says so', async () => {
    await put('a.md', 'alpha');
    const { id } = await corpora.sync(root);
    const db = new DatabaseSync(indexFile(id));
    db.exec('PRAGMA user_version = 99');
    db.close();
    expect((await corpora.sync(root)).notice).toMatch(/another version/);
    await writeFile(indexFile(id), 'this is no database, whatever its name says '.repeat(50));
    expect(await corpora.sync(root)).toMatchObject({ notice: expect.stringMatching(/damaged/), documents: 1 });
    expect(await corpora.match([id], query('alpha'), 1)).toHaveLength(1);
  });

  it('rebuilds an index whose damage was met by a search', async () => {
    for (let n = 0; n < 60; n++) await put(`f${n}.md`, `alpha ${`word${n} `.repeat(300)}`);
    const { id } = await corpora.sync(root);
    await corpora.close();
    const { size } = await stat(indexFile(id));
    const file = await open(indexFile(id), 'r+');
    await file.write(Buffer.alloc(size - 8_192, 0xaa), 0, size - 8_192, 8_192);
    await file.close();
    const again = await openCorpora();
    await expect(again.match([id], query('alpha'), 5)).rejects.toThrow(Unavailable);
    expect(await again.sync(root)).toMatchObject({ notice: expect.stringMatching(/damaged/), documents: 60 });
    expect(await again.match([id], query('alpha'), 5)).toHaveLength(5);
  });

  it('carries on where a stopped sync left off', async () => {
    for (let n = 0; n < 900; n++) await put(`f${n}.md`, `word${n} alpha`);
    const stop = new AbortController();
    const stopped = corpora.sync(root, {
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done >= 450) stop.abort();
      },
    });
    await expect(stopped).rejects.toThrow(Aborted);
    const report = await corpora.sync(root);
    expect(report.documents).toBe(900);
    expect(report.added).toBeLessThan(900);
  });

  it('repairs what a writer left that was killed in the middle', async () => {
    for (let n = 0; n < 900; n++) await put(`f${n}.md`, `word${n} alpha`);
    const killed = corpora.sync(root, {
      onProgress: ({ done }) => {
        if (done >= 450) void corpora.close();
      },
    });
    await expect(killed).rejects.toThrow(Unavailable);
    const again = await openCorpora();
    const report = await again.sync(root);
    expect(report.documents).toBe(900);
    expect(report.added).toBeLessThan(900);
    expect((await again.statistics([report.id], ['alpha'])).documentFrequency).toEqual({ alpha: 900 });
  });

  it('serves two openers of one folder at once', async () => {
    for (let n = 0; n < 200; n++) await put(`f${n}.md`, `word${n} alpha`);
    const other = await openCorpora();
    const [one, two] = await Promise.all([corpora.sync(root), other.sync(root)]);
    expect([one.documents, two.documents]).toEqual([200, 200]);
    expect(await other.match([one.id], query('word150'), 5)).toHaveLength(1);
  });
});

describe('Corpora queries', () => {
  it('know an index that another opener made, by its id alone', async () => {
    await put('a.md', LOCKS);
    const { id } = await corpora.sync(root);
    const other = await openCorpora();
    expect((await other.plainSearch([id], 'what is a lock?', 3)).map((h) => h.uri)).toEqual(['corpus:docs/a.md']);
  });

  it('refuse ids that are none, and ids without an index', async () => {
    await expect(corpora.match(['../../etc/passwd'], query('x'), 1)).rejects.toThrow(NotFound);
    await expect(corpora.match(['c_0123456789abcdef'], query('x'), 1)).rejects.toThrow(NotFound);
  });

  it('weigh title and headings above the body in a match, but not in the plain search', async () => {
    const rest = 'It has several parts that are told of elsewhere, each in its own place and time.';
    await put('body.md', `# Overview\n\nBackoff and backoff again. ${rest}\n`);
    await put('title.md', `# Backoff\n\n${rest} Nothing more is said of it here than these few words.\n`);
    const { id } = await corpora.sync(root);
    expect((await corpora.match([id], query('backoff'), 2)).map((h) => h.title)).toEqual(['Backoff', 'Overview']);
    const plain = await corpora.plainSearch([id], 'backoff', 2);
    const weighted = await corpora.match([id], query('backoff'), 2);
    expect(plain.find((h) => h.title === 'Backoff')?.bm25).not.toBe(weighted[0]?.bm25);
  });

  it('take operators and quotes in terms literally', async () => {
    await put('a.md', 'alpha beta');
    const { id } = await corpora.sync(root);
    expect(await corpora.match([id], query('alpha" NOT "beta', 'NEAR(', '*', '"'), 5)).toEqual([]);
    expect(await corpora.match([id], query('alpha beta'), 5)).toHaveLength(1);
    expect(await corpora.match([id], query('beta alpha'), 5)).toHaveLength(0);
  });

  it('find CJK text by its words', async () => {
    await put('zh.md', '# 深度研究\n\n任务队列保证每个任务只执行一次。\n');
    const { id } = await corpora.sync(root);
    expect((await corpora.plainSearch([id], '任务队列', 3)).map((h) => h.title)).toEqual(['深度研究']);
    expect(await corpora.plainSearch([id], '数据', 3)).toEqual([]);
  });

  it('answer while a large folder is being indexed', async () => {
    await put('small/a.md', 'alpha');
    const { id } = await corpora.sync(join(root, 'small'));
    for (let n = 0; n < 800; n++) await put(`large/f${n}.md`, `word${n} beta `.repeat(50));
    let found = -1;
    let asked: Promise<unknown> = Promise.resolve();
    const sync = corpora.sync(join(root, 'large'), {
      onProgress: ({ phase }) => {
        if (phase === 'reading')
          asked = corpora.match([id], query('alpha'), 1).then((hits) => {
            found = hits.length;
          });
      },
    });
    await sync;
    await asked;
    expect(found).toBe(1);
    expect((await readFile(indexFile(id))).byteLength).toBeGreaterThan(0);
  });
});
