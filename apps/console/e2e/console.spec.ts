/** The console as its users have it: the built files, a whole Argosy in one process, a real browser. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { findChromium } from '../../../libs/tools/src/index.ts';
import { emptyWorkplace, endLeftovers, eventually, serve, workplace } from '../../../test/support/argosy.ts';
import { writeFerryCorpus } from '../../../test/support/ferry-corpus.ts';
import { type ModelServer, startModelServer } from '../../../test/support/model-server.ts';
import { specOf } from '../../../test/support/scripted-research.ts';
import { SseReader } from '../src/api/sse.ts';
import { RunLog } from '../src/run/run-log.ts';
import { accessibilityFaults, launchBrowser, watchPage } from './browser.ts';
import { attacks, playResearch, questions } from './script.ts';

const cwd = emptyWorkplace();
const corpus = writeFerryCorpus(cwd);
const shots = join(import.meta.dirname, '../../../.argosy/test/console');
endLeftovers();

const browserPath = findChromium('auto');
const describeBrowser = browserPath === null ? describe.skip : describe;
/** Nothing in the view is still on its way. */
async function expectLoaded(page: Page): Promise<void> {
  const loaded = async () => ((await page.getByText('Loading …').count()) === 0 ? true : null);
  await eventually(loaded, 'all of a view');
}

/** Far above what a loaded machine needs. */
const limitMs = 180_000;

describeBrowser(`the console${browserPath === null ? ' [needs Chromium]' : ''}`, () => {
  let model: ModelServer;
  let server: Awaited<ReturnType<typeof serve>>;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let troubles: string[];

  beforeAll(async () => {
    mkdirSync(shots, { recursive: true });
    model = await startModelServer(playResearch);
    await workplace(cwd);
    const env = { ARGOSY_MODEL: specOf(model), ARGOSY_MODEL_PRICES: '2,1,10', ARGOSY_BROWSER: 'off' };
    server = await serve({ cwd, env });
    browser = await launchBrowser(browserPath ?? '');
    context = await browser.newContext({ viewport: { width: 1280, height: 820 }, acceptDownloads: true });
    page = await context.newPage();
    page.setDefaultTimeout(limitMs / 2);
    troubles = watchPage(page, server.url);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    server?.kill('SIGTERM');
    await server?.finished;
    await model?.close();
  }, limitMs);

  const open = async (path: string): Promise<void> => void (await page.goto(server.url + path));

  /** Asks with the documents that were sent first. */
  async function ask(question: string): Promise<void> {
    await open('/');
    await page.getByLabel('Question').fill(question);
    await page.locator('.choice input').first().check();
    await page.getByLabel('Question').press('Control+Enter');
    await page.getByRole('heading', { level: 1, name: question.slice(0, 12) }).waitFor();
  }

  /** What the timeline should hold, by the gateway's own record. */
  async function recordedRows(): Promise<number> {
    const runId = new URL(page.url()).pathname.split('/')[2] ?? '';
    const reader = new SseReader();
    const log = new RunLog();
    const response = await fetch(`${server.url}/v1/research/${runId}/events`);
    for (const event of reader.push(await response.text())) log.take(event);
    return log.rows.length;
  }

  /** For people to look at. */
  async function shoot(name: string): Promise<void> {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(shots, `${name}-${colorScheme}.png`) });
    }
  }

  async function expectWholeTimeline(): Promise<void> {
    await page.getByRole('button', { name: 'How it came about' }).click();
    const label = await page.locator('.timeline .scroll').getAttribute('aria-label');
    expect(label).toBe(`${await recordedRows()} entries`);
  }

  it(
    'says who writes, who is searched, and with which lines a browser comes that is not there',
    async () => {
      await open('/welcome');
      await page.getByRole('heading', { name: 'There is no browser' }).waitFor();
      expect(await page.locator('main').innerText()).toMatch(
        /reads, searches again and writes[\s\S]*searched by mediawiki/,
      );
      const lines = page.locator('pre.lines');
      expect(await lines.allInnerTexts()).toEqual([expect.stringContaining('export ARGOSY_BROWSER=auto ')]);
    },
    limitMs,
  );

  it(
    'takes documents that are dropped, and a question',
    async () => {
      await open('/');
      const names = ['timetable.md', 'tickets.html'];
      await page.locator('input[type=file]').setInputFiles(names.map((name) => join(corpus, name)));
      await page.locator('.choice', { hasText: '2 documents' }).waitFor();
      expect(await page.locator('.choice input').isChecked()).toBe(true);
    },
    limitMs,
  );

  it(
    'shows the steps, the report, and behind a number the passage in its source',
    async () => {
      await ask(questions.ferry);
      await page.locator('.answer').waitFor();
      expect(await page.locator('.answer .cite').count()).toBe(1);
      expect(await page.locator('.answer .unsupported').innerText()).toBe('no proof');
      await page.locator('.answer .cite').hover();
      const evidence = page.getByRole('complementary', { name: 'Evidence' });
      await evidence.getByText('word for word').waitFor();
      expect(await evidence.locator('mark').innerText()).toBe('every ninety minutes');
      expect(await evidence.locator('.passage').innerText()).toContain('between six in the morning');
      await page.locator('.answer .unsupported').focus();
      await evidence.getByText('Nothing that this run read says so').waitFor();
      await expectWholeTimeline();
    },
    limitMs,
  );

  it.each([
    ['Markdown', /^# How often does the ferry leave Halloway\?/],
    ['JSON', /"schema_version": 1/],
    ['PDF', /^%PDF-1\.4/],
    ['Word', /^PK/],
  ])(
    'saves the report as %s',
    async (button, content) => {
      await page.getByRole('button', { name: 'Report', exact: true }).click();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: button, exact: true }).click(),
      ]);
      expect(readFileSync(await download.path(), 'utf8')).toMatch(content);
    },
    limitMs,
  );

  it(
    'asks a follow-up of the documents that the report rests on',
    async () => {
      await page.getByRole('button', { name: 'Ask a follow-up' }).click();
      await page.locator('.choice', { hasText: '2 documents' }).waitFor();
      expect(await page.locator('.choice input').isChecked()).toBe(true);
    },
    limitMs,
  );

  it(
    'keeps a run through a reload and a network that is cut, and cancels it, with nothing missing and nothing doubled',
    async () => {
      await ask(questions.endless);
      const writing = page.locator('.timeline .row.step.open');
      await page.locator('.timeline .row.call').nth(2).waitFor();
      await writing.waitFor();
      await page.reload();
      await writing.waitFor();
      await context.setOffline(true);
      await page.locator('.line.lost').waitFor();
      await context.setOffline(false);
      await page.locator('.line.live').waitFor();
      await shoot('live');
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.locator('.run-head .status', { hasText: 'Cancelled' }).waitFor();
      await expectWholeTimeline();
    },
    limitMs,
  );

  it(
    'shows what attackers wrote as text, wherever it comes from',
    async () => {
      const name = '<img src=x onerror=alert(3)>.md';
      const text = `# ${attacks[1]}\n\nThe ferry leaves every ninety minutes. ${attacks[0]} ${attacks[9]}`;
      writeFileSync(join(cwd, name), text);
      await open('/');
      await page.locator('input[type=file]').setInputFiles(join(cwd, name));
      await page.locator('.choice', { hasText: name }).waitFor();
      await ask(questions.hostile);
      await page.locator('.answer .cite').first().click();
      await page.locator('.evidence mark').first().waitFor();
      const planted = '.answer :is(img, script, svg, iframe, style, math, [onerror], [onload], [onmouseover])';
      expect(await page.locator(planted).count()).toBe(0);
      const links = await page.locator('.answer a').evaluateAll((all) => all.map((one) => one.getAttribute('href')));
      expect(links.filter((href) => !/^https?:/.test(href ?? ''))).toEqual([]);
      expect(await page.locator('.answer').innerText()).toContain('<script>alert("script")</script>');
      await open('/runs');
      await page.getByText('onerror=alert(1)').first().waitFor();
    },
    limitMs,
  );

  it(
    'finds runs by words and state',
    async () => {
      await open('/runs');
      await page.getByLabel('Words of the question').fill('THE WIND IS');
      await page.locator('.runs li').nth(1).waitFor({ state: 'detached' });
      expect(await page.locator('.runs .run-link').allInnerTexts()).toEqual([questions.endless]);
      await page.getByLabel('State').selectOption('failed');
      await page.getByText('No run fits.').waitFor();
    },
    limitMs,
  );

  it(
    'cancels many runs at once',
    async () => {
      const of = async (path: string) => await (await fetch(`${server.url}${path}`)).json();
      const [corpus] = ((await of('/v1/corpora')) as { data: { id: string }[] }).data;
      const body = JSON.stringify({ question: questions.endless, sources: { corpora: [corpus?.id] } });
      const headers = { 'content-type': 'application/json' };
      const made = [1, 2].map(() => fetch(`${server.url}/v1/research`, { method: 'POST', headers, body }));
      const ids = await Promise.all(made.map(async (answer) => ((await (await answer).json()) as { id: string }).id));
      await open('/runs');
      await page.getByRole('button', { name: 'Choose all 2 that work or wait' }).click();
      await page.getByRole('button', { name: 'Cancel 2' }).click();
      for (const id of ids) {
        const row = page.locator('.runs li').filter({ has: page.locator(`a[href="/runs/${id}"]`) });
        await row.locator('.status', { hasText: 'Cancelled' }).waitFor();
      }
    },
    limitMs,
  );

  it(
    'has no fault that axe finds in any view, light or dark, wide or narrow',
    async () => {
      const runs = (await (await fetch(`${server.url}/v1/research?search=ferry&status=completed`)).json()) as {
        data: { id: string; question: string }[];
      };
      const report = runs.data.find(({ question }) => question === questions.ferry)?.id ?? '';
      const views = {
        ask: '/',
        runs: '/runs',
        report: `/runs/${report}`,
        fleet: '/fleet',
        settings: '/settings',
        welcome: '/welcome',
      };
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        for (const [name, path] of Object.entries(views)) {
          await open(path);
          await page.locator('h1').waitFor();
          await expectLoaded(page);
          if (name === 'report') await page.locator('.answer .cite').first().click();
          expect([name, colorScheme, await accessibilityFaults(page)]).toEqual([name, colorScheme, []]);
          await page.screenshot({ path: join(shots, `${name}-${colorScheme}.png`) });
        }
      }
      await page.setViewportSize({ width: 390, height: 800 });
      for (const [name, path] of Object.entries(views)) {
        await open(path);
        await page.locator('h1').waitFor();
        const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        expect([name, overflow]).toEqual([name, 0]);
        await page.screenshot({ path: join(shots, `${name}-narrow.png`) });
      }
    },
    limitMs,
  );

  it('ran nothing that it was not built of, broke no rule of its policy, and asked nobody else', () => {
    expect(troubles).toEqual([]);
  });
});
