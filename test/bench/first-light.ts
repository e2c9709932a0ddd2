import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { DataDirectory, openEmbedded } from '#runs';
import { Corpora, Extraction, searchTool, visitTool } from '#tools';
import { fetchCollections } from './collections.ts';
import { type Benchmark, percentile, type Row, round } from './result.ts';
import { answers, extractivePassages, plainPassages, readQuestions } from './retrieval.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/** Start to report on a bare clone, indexing speed, and how many of thirty questions are answered. */
export const firstLight: Benchmark = async (say) => {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-bench-'));
  try {
    say('questions');
    const questions = await questionRows(say);
    say('10,000 small files');
    const indexing = await indexingRow(folder);
    say('embedded database');
    const database = await databaseRow(folder);
    say('a fresh clone');
    const clone = await cloneRows(folder);
    const found = (who: string) =>
      Number(questions.find((row) => row['who'] === who && row['kind'] === 'all')?.['found']);
    return {
      params: { questions: 'test/bench/questions/test.json', files: fileCount },
      rows: [...questions, indexing, database, ...clone],
      ratios: { 'questions found, Argosy to plain BM25 top 8': round(found('argosy') / found('plain BM25 top 8')) },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

async function questionRows(say: (line: string) => void): Promise<Row[]> {
  const set = await readQuestions('test');
  const cache = join(root, '.argosy', 'bench');
  const { paths, missing } = await fetchCollections(set, join(cache, 'collections'));
  for (const [name, why] of missing) say(`  collection ${name} is missing: ${why}`);
  const corpora = await Corpora.open(join(cache, 'index'));
  const extraction = new Extraction();
  const tools = [searchTool(corpora, null), visitTool({ corpora, extraction, pages: null })];
  const ids = new Map<string, string>();
  for (const [name, path] of paths) ids.set(name, (await corpora.sync(path)).id);
  const plain: string[] = [];
  const ours: string[] = [];
  const asked = set.questions.filter(({ collection }) => ids.has(collection));
  for (const question of asked) {
    const id = ids.get(question.collection) ?? '';
    if (answers(await plainPassages(corpora, id, question.question), question)) plain.push(question.kind);
    const cited = await extractivePassages(tools, id, question.question);
    if (answers(cited, question)) ours.push(question.kind);
    else say(`  not found: ${question.id} (${question.kind})`);
  }
  await corpora.close();
  await extraction.close();
  return ['all', 'plain', 'reworded'].flatMap((kind) => {
    const of = asked.filter((question) => kind === 'all' || question.kind === kind).length;
    const count = (found: readonly string[]) => found.filter((k) => kind === 'all' || k === kind).length;
    return [
      { what: 'questions', who: 'argosy', kind, found: count(ours), of },
      { what: 'questions', who: 'plain BM25 top 8', kind, found: count(plain), of },
    ];
  });
}

const fileCount = 10_000;

/** Words that no language has, as many as a real collection would, some frequent and most rare. */
const vocabulary = Array.from({ length: 20_000 }, (_, n) => {
  const syllables = ['ba', 'co', 'di', 'fu', 'ge', 'ka', 'lo', 'mi', 'nu', 'pe', 'ra', 'so', 'ti', 'vu', 'we', 'za'];
  let rest = n + 256;
  let word = '';
  for (; rest > 0; rest = Math.floor(rest / 16)) word += syllables[rest % 16];
  return word;
});

/** The word at a place between 0 and 1; frequencies fall with the rank, as in any language (Zipf). */
function wordAt(place: number): string {
  return vocabulary[Math.floor(vocabulary.length ** place) - 1] ?? '';
}

/** A small page of four paragraphs, the same for the same number. */
function page(n: number): string {
  let seed = n + 1;
  const next = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed / 0x80000000;
  };
  const paragraph = () => Array.from({ length: 60 }, () => wordAt(next())).join(' ');
  return `# Page ${n} on ${wordAt(next())} and ${wordAt(next())}\n\n${Array.from({ length: 4 }, paragraph).join('.\n\n')}.\n`;
}

async function indexingRow(folder: string): Promise<Row> {
  const files = join(folder, 'files');
  for (let i = 0; i < fileCount; i++) {
    const sub = join(files, String(i % 100));
    if (i < 100) await mkdir(sub, { recursive: true });
    await writeFile(join(sub, `page-${i}.md`), page(i));
  }
  const corpora = await Corpora.open(join(folder, 'index'));
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const startedAt = performance.now();
  const { id, passages } = await corpora.sync(files);
  const seconds = (performance.now() - startedAt) / 1000;
  delay.disable();
  const search = searchTool(corpora, null);
  const policy = { corpora: [id], web: false, urls: [], providers: [], allowDomains: [], denyDomains: [] };
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const query = `how does the ${wordAt((i % 20) / 20)} ${wordAt(((i * 7) % 40) / 40)} ${wordAt(0.7)} work`;
    const before = performance.now();
    await search.run(
      { query: [query] },
      {
        tenantId: 'local',
        policy,
        signal: new AbortController().signal,
        callId: 'bench',
        opens: null,
        reading: null,
        now: '',
      },
    );
    times.push(performance.now() - before);
  }
  await corpora.close();
  return {
    what: 'indexing',
    files: fileCount,
    passages,
    seconds: round(seconds),
    filesPerSecond: Math.round(fileCount / seconds),
    loopDelayP99Ms: round(delay.percentile(99) / 1e6),
    searchP50Ms: round(percentile(times, 0.5)),
    searchP95Ms: round(percentile(times, 0.95)),
  };
}

async function databaseRow(folder: string): Promise<Row> {
  const timed = async (): Promise<number> => {
    const startedAt = performance.now();
    const directory = DataDirectory.hold(join(folder, 'data'));
    const { close } = await openEmbedded(directory);
    const ms = performance.now() - startedAt;
    await close();
    await directory.release();
    return ms;
  };
  return { what: 'embedded database', createMs: Math.round(await timed()), reopenMs: Math.round(await timed()) };
}

/** `npm start` in a clone that has nothing installed, then again. */
async function cloneRows(folder: string): Promise<Row[]> {
  const clone = join(folder, 'clone');
  await run('git', ['clone', '--quiet', root, clone]);
  const cold = await timedStart(clone);
  const warm = await timedStart(clone);
  const sizes = await largestPackages(join(clone, 'node_modules'));
  const total = await megabytes(join(clone, 'node_modules'));
  return [
    { what: 'clean clone to first report', seconds: round(cold.seconds), exitCode: cold.exitCode },
    { what: 'second report', seconds: round(warm.seconds), exitCode: warm.exitCode },
    { what: 'installed', megabytes: total, largest: sizes.map(({ name, mb }) => `${name} ${mb}`).join(', ') },
  ];
}

async function timedStart(clone: string): Promise<{ seconds: number; exitCode: number }> {
  const startedAt = performance.now();
  const args = ['start', '--', 'What happens to a run when its worker dies?', '--corpus', 'docs'];
  // Without this clone's Node 24 on the PATH: the fresh clone must bring its own.
  const PATH = (process.env['PATH'] ?? '')
    .split(':')
    .filter((entry) => !entry.includes('node_modules'))
    .join(':');
  const env = { ...process.env, PATH };
  const child = spawn('npm', args, { cwd: clone, stdio: 'ignore', env });
  const [exitCode] = (await once(child, 'exit')) as [number];
  return { seconds: (performance.now() - startedAt) / 1000, exitCode };
}

async function megabytes(path: string): Promise<number> {
  const { stdout } = await run('du', ['-sm', path]);
  return Number.parseInt(stdout, 10);
}

async function largestPackages(modules: string): Promise<{ name: string; mb: number }[]> {
  const names: string[] = [];
  for (const name of await readdir(modules)) {
    if (name.startsWith('.')) continue;
    if (name.startsWith('@')) names.push(...(await readdir(join(modules, name))).map((inner) => `${name}/${inner}`));
    else names.push(name);
  }
  const sizes = await Promise.all(names.map(async (name) => ({ name, mb: await megabytes(join(modules, name)) })));
  return sizes.toSorted((a, b) => b.mb - a.mb).slice(0, 5);
}
