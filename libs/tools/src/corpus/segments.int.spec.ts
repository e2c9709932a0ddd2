import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput, NotFound, Unavailable } from '#errors';
import { searchTool } from '../search.ts';
import { contextWith } from '../testing/context.contract.ts';
import { Corpora } from './corpora.ts';
import type { SegmentSource, StoredSegment } from './segments.ts';
import { surveyFolder } from './survey-folder.ts';

const id = 'c_00000000000000aa';
const other = 'c_00000000000000bb';

let base: string;
const opened: Corpora[] = [];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'argosy-segments-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((made) => made.close()));
  await rm(base, { recursive: true, force: true });
});

async function open(folder: string, segments?: SegmentSource): Promise<Corpora> {
  const made = await Corpora.open(join(base, folder), segments === undefined ? {} : { segments });
  opened.push(made);
  return made;
}

/** An index of texts by their paths. @returns its file and what was told of it */
async function build(texts: Readonly<Record<string, string>>, name = 'docs', corpus = id) {
  const folder = await mkdtemp(join(base, 'files-'));
  const files = await Promise.all(
    Object.entries(texts).map(async ([path, text], index) => {
      const absolute = join(folder, `blob${index}`);
      await writeFile(absolute, text);
      return { path, absolute };
    }),
  );
  const file = join(folder, 'index.sqlite');
  const report = await (await open('builder')).build({ id: corpus, name, file, files });
  return { file, folder, report };
}

/** A source of one file for every id, which counts how often it is asked. */
class Source implements SegmentSource {
  readonly asked: [string, string, number][] = [];
  readonly files: Readonly<Record<string, string>>;
  change: (segment: StoredSegment) => StoredSegment = (segment) => segment;

  constructor(files: Readonly<Record<string, string>>) {
    this.files = files;
  }

  async segment(tenantId: string, corpusId: string, format: number): Promise<StoredSegment | null> {
    this.asked.push([tenantId, corpusId, format]);
    const file = this.files[corpusId];
    if (file === undefined) return null;
    const sha256 = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return this.change({ sha256, parts: createReadStream(file) });
  }

  async known(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(ids.filter((one) => Object.hasOwn(this.files, one)));
  }
}

describe('an index that is built', () => {
  it('is one file, and names its documents by their paths, not by where they lie', async () => {
    const { file, folder, report } = await build({ 'guide/locks.md': '# Locks\n\nA worker renews its lock.\n' });
    expect(report).toMatchObject({ id, name: 'docs', documents: 1, passages: 1, skipped: [] });
    expect((await readdir(folder)).sort()).toEqual(['blob0', 'index.sqlite']);
    const source = new Source({ [id]: file });
    const reader = await open('reader', source);
    await reader.provide('acme', [id]);
    expect((await reader.search([id], 'who renews the lock'))[0]?.uri).toBe('corpus:docs/guide/locks.md');
    expect(source.asked).toEqual([['acme', id, report.format]]);
  });

  it('leaves out what cannot be read, with the reason, and is refused when nothing is left', async () => {
    const { report } = await build({ 'a.md': 'words', 'b.md': 'a\0b', 'c.jpg': 'x' });
    expect(report.skipped.map(({ path }) => path).sort()).toEqual(['b.md', 'c.jpg']);
    const nothing = build({ 'b.md': 'a\0b' });
    await expect(nothing).rejects.toThrow(InvalidInput);
    await expect(nothing).rejects.toThrow(/docs: holds no document.*binary/);
  });
});

describe('an index from elsewhere', () => {
  it('is fetched once, however many ask for it, and not again', async () => {
    const { file } = await build({ 'a.md': 'alpha' });
    const source = new Source({ [id]: file });
    const reader = await open('reader', source);
    await Promise.all([1, 2, 3, 4].map(() => reader.provide('acme', [id, id])));
    await reader.provide('acme', [id]);
    expect(source.asked).toHaveLength(1);
    expect((await readdir(join(base, 'reader'))).sort()).toEqual([`${id}.sqlite`, `${id}.sqlite.copy`]);
  });

  it.each<[string, (segment: StoredSegment) => StoredSegment]>([
    ['does not match its hash', (segment) => ({ ...segment, sha256: '0'.repeat(64) })],
    [
      'breaks off',
      (segment) => ({
        ...segment,
        parts: (async function* () {
          for await (const part of segment.parts) yield part.subarray(0, 100);
          throw new Error('the line went dead');
        })(),
      }),
    ],
  ])('that %s is never seen, and is fetched again', async (_, change) => {
    const { file } = await build({ 'a.md': 'alpha' });
    const source = new Source({ [id]: file });
    source.change = change;
    const reader = await open('reader', source);
    await expect(reader.provide('acme', [id])).rejects.toThrow(Unavailable);
    expect(await readdir(join(base, 'reader'))).toEqual([]);
    source.change = (segment) => segment;
    await reader.provide('acme', [id]);
    expect(await reader.search([id], 'alpha')).toHaveLength(1);
  });

  it('leaves a draft of a process that is gone no longer than an hour', async () => {
    await open('reader', new Source({}));
    const [fresh, old] = ['a', 'b'].map((name) => join(base, 'reader', `${id}.sqlite.${name}.part`)) as [
      string,
      string,
    ];
    for (const file of [fresh, old]) await writeFile(file, 'half');
    const longAgo = new Date(Date.now() - 2 * 3_600_000);
    await utimes(old, longAgo, longAgo);
    await open('reader', new Source({}));
    expect(await readdir(join(base, 'reader'))).toEqual([`${id}.sqlite.a.part`]);
  });

  it('is fetched anew when its copy is damaged or of another release', async () => {
    const { file } = await build({ 'a.md': 'alpha' });
    const source = new Source({ [id]: file });
    const reader = await open('reader', source);
    const copy = join(base, 'reader', `${id}.sqlite`);
    await reader.provide('acme', [id]);
    await truncate(copy, 5000);
    await expect(reader.search([id], 'alpha')).rejects.toThrow(Unavailable);
    await reader.provide('acme', [id]);
    expect(await reader.search([id], 'alpha')).toHaveLength(1);
    const db = new DatabaseSync(copy);
    db.exec('PRAGMA user_version = 1');
    db.close();
    await reader.provide('acme', [id]);
    expect(await reader.search([id], 'alpha')).toHaveLength(1);
    expect(source.asked).toHaveLength(3);
  });

  it('lets one who stops waiting go, and the others have it', async () => {
    const { file } = await build({ 'a.md': 'alpha' });
    const gate = Promise.withResolvers<void>();
    const source = new Source({ [id]: file });
    const parts = async function* (segment: StoredSegment) {
      await gate.promise;
      yield* segment.parts;
    };
    source.change = (segment) => ({ ...segment, parts: parts(segment) });
    const reader = await open('reader', source);
    const impatient = new AbortController();
    const gone = reader.provide('acme', [id], impatient.signal);
    const patient = reader.provide('acme', [id]);
    while (source.asked.length === 0) await stat(base);
    impatient.abort();
    await expect(gone).rejects.toThrow(Aborted);
    gate.resolve();
    await patient;
    expect(await reader.search([id], 'alpha')).toHaveLength(1);
  });

  it('leaves indexes of this folder alone, and ids that nobody knows missing', async () => {
    await mkdir(join(base, 'docs'));
    await writeFile(join(base, 'docs', 'a.md'), 'alpha');
    const source = new Source({});
    const reader = await open('reader', source);
    const local = (await reader.sync(join(base, 'docs'))).id;
    await reader.provide('acme', [local, other]);
    expect(source.asked.map(([, corpusId]) => corpusId)).toEqual([other]);
    await expect(reader.search([other], 'alpha')).rejects.toThrow(NotFound);
    await expect(reader.provide('acme', ['../docs'])).rejects.toThrow(NotFound);
  });

  it('is fetched by the search that needs it, which says so when it cannot be had', async () => {
    const { file } = await build({ 'a.md': 'alpha' });
    const source = new Source({ [id]: file });
    const search = searchTool(await open('reader', source), null);
    source.change = () => {
      throw new Unavailable('is indexing, not ready');
    };
    const context = contextWith({ corpora: [id] });
    const early = await search.run({ query: ['alpha'] }, context);
    expect(early.observation.sections[0]?.fault?.kind).toBe('transient');
    source.change = (segment) => segment;
    const late = await search.run({ query: ['alpha'] }, context);
    expect(late.observation.sections[0]?.passages).toHaveLength(1);
  });

  it('has the same name in every process that is asked about the same corpora', async () => {
    const first = await build({ 'a.md': 'alpha' });
    const second = await build({ 'a.md': 'alpha beta' }, 'docs', other);
    const source = new Source({ [id]: first.file, [other]: second.file });
    const one = await open('one', source);
    const two = await open('two', source);
    await one.provide('acme', [id, other]);
    await two.provide('acme', [other, id]);
    // The second process knows the other one first.
    await two.search([other], 'beta');
    const urisOf = async (reader: Corpora) => (await reader.search([id, other], 'beta')).map(({ uri }) => uri);
    expect(await urisOf(one)).toContain('corpus:docs~2/a.md');
    expect(await urisOf(two)).toEqual(await urisOf(one));
    expect((await two.document([id, other], 'corpus:docs~2/a.md'))?.text).toBe('alpha beta');
    expect((await two.search([other], 'beta'))[0]?.uri).toBe('corpus:docs/a.md');
  });
});

describe('surveyFolder', () => {
  it('lists what a sync would read, and why not the rest', async () => {
    const root = join(base, 'docs');
    await mkdir(join(root, 'sub'), { recursive: true });
    await writeFile(join(root, 'sub', 'a.md'), 'alpha');
    await writeFile(join(root, 'b.jpg'), 'x');
    const found = await surveyFolder(root);
    expect(found).toMatchObject({ name: 'docs', files: [{ path: 'sub/a.md', size: 5 }], skipped: [{ path: 'b.jpg' }] });
    expect((await surveyFolder(join(root, 'sub', 'a.md'))).files).toMatchObject([{ path: 'a.md' }]);
    await rm(join(root, 'sub'), { recursive: true });
    await expect(surveyFolder(root)).rejects.toThrow(/docs: holds no document/);
    await expect(surveyFolder(join(base, 'nowhere'))).rejects.toThrow(/no such file or folder/);
  });
});

describe('a copy of an index', () => {
  it('goes when its corpus is gone where it came from, and no folder of this machine goes with it', async () => {
    const { file } = await build({ 'a.md': 'A worker renews its lock.\n' });
    const { file: second } = await build({ 'b.md': 'A lock outlasts its lease.\n' }, 'more', other);
    const source = new Source({ [id]: file, [other]: second });
    const reader = await open('reader', source);
    await reader.provide('acme', [id, other]);
    const local = join(base, 'local');
    await mkdir(local);
    await writeFile(join(local, 'c.md'), 'A folder of this machine has locks, too.\n');
    const { id: own } = await reader.sync(local);
    expect(await reader.search([id, other, own], 'lock')).toHaveLength(3);

    const left = new Source({ [other]: second });
    await reader.forgetGone(left);

    expect((await readdir(join(base, 'reader'))).filter((name) => name.startsWith(id))).toEqual([]);
    await expect(reader.search([id], 'lock')).rejects.toThrow(NotFound);
    expect(await reader.search([other, own], 'lock')).toHaveLength(2);
    await reader.forgetGone(left);
    expect(await reader.search([other, own], 'lock')).toHaveLength(2);
  });
});
