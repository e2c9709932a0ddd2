import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { JSDOM } from 'jsdom';
import { jsonLogger } from '#platform';
import { openFleet } from '#runs';
import { Corpora, htmlToText, openToolbox, type ParseDom, type Tool, type ToolContext } from '#tools';
import { type Stage, Stages } from './fleet-stage.ts';
import { type Benchmark, type Measured, percentile, type Row, round } from './result.ts';
import { documentationPages, type SitePage, serveSite } from './web-site.ts';

const root = resolve(import.meta.dirname, '../..');

const pagesInAll = 2_000;
const urlsPerCall = 5;
/** Tool calls under way, as a tool worker has them by default. */
const calls = 8;
/** Of the site's pages, for the comparison of two DOMs: all of them would take a full DOM minutes. */
const compared = 60;
const scriptedPages = 12;

/** Visits of a site of real pages end to end, extraction against a full DOM, and pages in the browser. */
export const web: Benchmark = async (say) => {
  say('documentation of Debian packages');
  const pages = await documentationPages(join(root, '.argosy', 'bench', 'pages'));
  const stages = await Stages.open();
  const site = await serveSite(pages);
  try {
    return await stages.use(async (stage) => await measured(say, { stage, pages, origin: site.origin }));
  } finally {
    site.close();
    await stages.close();
  }
};

interface Setting {
  readonly stage: Stage;
  readonly pages: readonly SitePage[];
  readonly origin: string;
}

/** With the tools of a tool worker of the fleet, and what the fleet shares in PostgreSQL and Redis. */
async function measured(say: (line: string) => void, { stage, pages, origin }: Setting): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-bench-web-'));
  const fleet = await openFleet(stage);
  const logger = jsonLogger('bench', 'warn', say);
  const corpora = await Corpora.open(folder);
  const out = { allow: new URL(origin).host, deny: '', via: undefined, contact: undefined, browser: 'auto' };
  const { pace, evidence } = fleet;
  const toolbox = openToolbox({
    corpora,
    out,
    pace,
    evidence,
    providers: [],
    secrets: { read: async () => null },
    reader: null,
    logger,
  });
  const visit = toolbox.tools.find(({ signature }) => signature.name === 'visit');
  if (visit === undefined) throw new Error('the toolbox has no visit');
  try {
    say(`${pagesInAll} pages end to end`);
    const visited = await visitedRows(visit, origin, pages);
    say('the same extraction over two DOMs');
    const { rows, ratio } = await extractionRows(pages);
    say('pages that a script fills');
    const rendered = await renderedRow(visit, origin);
    return {
      params: { pages: pages.length, megabytes: megabytes(pages), urlsPerCall, calls, cores: availableParallelism() },
      rows: [...visited, ...rows, rendered],
      ratios: { 'extraction: full DOM to linkedom, time (target 2)': ratio },
    };
  } finally {
    await toolbox.close();
    await corpora.close();
    await fleet.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function megabytes(pages: readonly SitePage[]): number {
  return round(pages.reduce((sum, { html }) => sum + html.length, 0) / 1e6, 1);
}

const context: ToolContext = {
  tenantId: 'local',
  policy: { corpora: [], web: true, providers: [], urls: [], allowDomains: [], denyDomains: [] },
  signal: new AbortController().signal,
  callId: 'bench',
  opens: null,
  reading: null,
  now: '2026-01-01T00:00:00Z',
};

/** The site is in this process, too, and counts against the figure; the stores are not and take of the same cores. */
async function visitedRows(visit: Tool, origin: string, pages: readonly SitePage[]): Promise<Row[]> {
  const targets = Array.from({ length: pagesInAll }, (_, n) => {
    const page = pages[n % pages.length];
    if (page === undefined) throw new Error('the site has no pages');
    return { url: `${origin}${page.path}?round=${Math.floor(n / pages.length)}`, bytes: page.html.length };
  });
  await visitAll(
    visit,
    targets.slice(0, 40).map(({ url }) => `${url}&warm`),
    () => undefined,
  );
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const curve: Row[] = [];
  let failed = 0;
  let done = 0;
  delay.enable();
  const begun = performance.now();
  const cpu = process.cpuUsage();
  await visitAll(
    visit,
    targets.map(({ url }) => url),
    (faults, count) => {
      failed += faults;
      const before = Math.floor(done / 250);
      done += count;
      if (Math.floor(done / 250) > before)
        curve.push({ what: 'memory', pages: done, rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) });
    },
  );
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  delay.disable();
  const mb = targets.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  const figures = {
    pages: pagesInAll,
    failed,
    seconds: round(seconds),
    'MB per s and core, wall (target 1)': round(mb / seconds / availableParallelism()),
    'MB per s of CPU': round(mb / ((user + system) / 1e6)),
    'event loop delay p99 ms (target 50)': round(delay.percentile(99) / 1e6, 1),
  };
  return [{ what: 'visit', ...figures }, ...curve];
}

/** Calls of several pages, some at the same time. @param told with the faults and pages of each call that ended */
async function visitAll(
  visit: Tool,
  urls: readonly string[],
  told: (faults: number, pages: number) => void,
): Promise<void> {
  const batches = Array.from({ length: Math.ceil(urls.length / urlsPerCall) }, (_, n) =>
    urls.slice(n * urlsPerCall, (n + 1) * urlsPerCall),
  );
  const work = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      const { observation } = await visit.run(
        { url: batch, goal: 'how a value is set and what its default is' },
        context,
      );
      told(observation.sections.filter(({ fault }) => fault !== undefined).length, batch.length);
    }
  };
  await Promise.all(Array.from({ length: calls }, work));
}

/** jsdom's classes are the browser's, of which a ParseDom's document is a part. */
const fullDom: ParseDom = (html) => new JSDOM(html).window.document as unknown as ReturnType<ParseDom>;

async function extractionRows(pages: readonly SitePage[]): Promise<{ rows: Row[]; ratio: number }> {
  const sample = pages
    .filter((_, n) => n % Math.ceil(pages.length / compared) === 0)
    .map(({ html }) => html.toString('utf8'));
  const times = { linkedom: 0, jsdom: 0 };
  let same = 0;
  for (const html of sample) {
    const begun = performance.now();
    const ours = htmlToText(html);
    const between = performance.now();
    const full = htmlToText(html, fullDom);
    times.linkedom += between - begun;
    times.jsdom += performance.now() - between;
    if (ours.text === full.text) same++;
    // A full DOM keeps its timers and windows until the loop turns.
    await new Promise((done) => setImmediate(done));
  }
  const mb = sample.reduce((sum, html) => sum + html.length, 0) / 1e6;
  const row = (who: 'linkedom' | 'jsdom') => ({
    what: 'extraction',
    who,
    pages: sample.length,
    'MB per s': round(mb / (times[who] / 1_000)),
  });
  const rows: Row[] = [
    row('linkedom'),
    row('jsdom'),
    { what: 'same text', pages: sample.length, same },
    await goldenRow(),
  ];
  return { rows, ratio: round(times.jsdom / times.linkedom) };
}

async function goldenRow(): Promise<Row> {
  const folder = join(root, 'test', 'golden', 'pages');
  const names = (await readdir(folder)).filter((name) => /\.x?html$/.test(name));
  const pages = await Promise.all(names.map(async (name) => await readFile(join(folder, name), 'latin1')));
  const same = pages.filter((html) => htmlToText(html).text === htmlToText(html, fullDom).text).length;
  return { what: 'same text, golden pages', pages: pages.length, same };
}

/** One page after the other; the first one starts the browser and is told apart. */
async function renderedRow(visit: Tool, origin: string): Promise<Row> {
  const times: number[] = [];
  let faults = 0;
  for (let n = 0; n < scriptedPages; n++) {
    const begun = performance.now();
    const { observation } = await visit.run(
      { url: `${origin}/scripted?${n}`, goal: 'what a script put here' },
      context,
    );
    times.push(performance.now() - begun);
    if (observation.sections[0]?.fault) faults++;
  }
  const [first = Number.NaN, ...warm] = times;
  const figures = { 'first ms': Math.round(first), 'warm median ms (target 1500)': Math.round(percentile(warm, 0.5)) };
  return { what: 'browser', pages: scriptedPages, failed: faults, ...figures };
}
