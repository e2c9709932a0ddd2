/** The fleet view over an inference group that computes: a coordinator with three shards, and a run that it answered. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { findChromium } from '../../../libs/tools/src/index.ts';
import {
  argosy,
  emptyWorkplace,
  endLeftovers,
  launch,
  type Running,
  serve,
  workplace,
} from '../../../test/support/argosy.ts';
import { accessibilityFaults, launchBrowser, watchPage } from './browser.ts';

const cwd = emptyWorkplace();
const root = join(import.meta.dirname, '../../..');
const shots = join(root, '.argosy/test/console');
const tiny = join(root, 'test/golden/tiny-researcher');
const question = 'When was the lighthouse of Orn Skerry lit for the first time?';
endLeftovers();

const browserPath = findChromium('auto');
const describeBrowser = browserPath === null ? describe.skip : describe;

/** Far above what a loaded machine needs. */
const limitMs = 180_000;

describeBrowser(`the fleet view of an inference group${browserPath === null ? ' [needs Chromium]' : ''}`, () => {
  let coordinator: Running;
  let server: Awaited<ReturnType<typeof serve>>;
  let browser: Browser;
  let page: Page;
  let troubles: string[];
  let address = '';

  beforeAll(async () => {
    mkdirSync(shots, { recursive: true });
    await workplace(cwd);
    // The bits of one machine, which the model was overfitted with; and room for two more copies of experts in each layer.
    const exact = { ARGOSY_INFERENCE_COMBINE: 'deterministic', ARGOSY_INFERENCE_WIRE: 'f32' };
    const env = { ...exact, ARGOSY_INFERENCE_THREADS: '1', ARGOSY_INFERENCE_REDUNDANT: '2' };
    const place = ['--checkpoint', join(tiny, 'model'), '--listen', '127.0.0.1:0', '--shards', 'local/3'];
    const script = join(root, 'dist/apps/inference/src/main.js');
    coordinator = launch(['--role', 'coordinator', ...place], { cwd, script, env });
    const said = await coordinator.said(/"event":"listening".*"port":\d+/);
    address = `127.0.0.1:${/"port":(\d+)/.exec(said)?.[1]}`;
    server = await serve({ cwd, env: { ARGOSY_MODEL: `grpc:${address}` } });
    const { exitCode, stderr } = await argosy(['research', question, '--corpus', join(tiny, 'corpus')], { cwd });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    browser = await launchBrowser(browserPath ?? '');
    page = await browser.newPage({ viewport: { width: 1280, height: 820 } });
    page.setDefaultTimeout(limitMs / 2);
    troubles = watchPage(page, server.url);
  }, limitMs);
  afterAll(async () => {
    await browser?.close();
    server?.kill('SIGTERM');
    await server?.finished;
  }, limitMs);

  it(
    'shows what the group did, and of each expert where it is and what it had to do',
    async () => {
      await page.goto(`${server.url}/fleet`);
      const row = page.getByRole('row', { name: new RegExp(address) });
      await row.waitFor();
      expect(await row.innerText()).toMatch(/argosy-ep, 3 shards[\s\S]*\d+ % of \d/);
      const map = page.getByRole('img', { name: `Experts of ${address}` });
      await map.hover({ position: { x: 4, y: 4 } });
      expect(await page.locator('.heat .pointed').innerText()).toMatch(
        /^Layer 0, expert \d+ on local-0: [\d.]+ tokens/,
      );
      await page.locator('.heat').getByText('As a table').click();
      const rows = page.locator('.heat tbody tr');
      const told = await rows.evaluateAll((all) => all.map((one) => one.children[2]?.textContent ?? ''));
      expect(told.filter((shards) => shards.includes(', ')).length).toBeGreaterThan(0);
      expect(new Set(told.flatMap((shards) => shards.split(', ')))).toEqual(new Set(['local-0', 'local-1', 'local-2']));
      await page.locator('.heat').getByText('As a table').click();
    },
    limitMs,
  );

  it(
    'has no fault that axe finds, light or dark, and fits a phone',
    async () => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect([colorScheme, await accessibilityFaults(page)]).toEqual([colorScheme, []]);
        await page.locator('.groups').screenshot({ path: join(shots, `experts-${colorScheme}.png`) });
      }
      await page.setViewportSize({ width: 390, height: 800 });
      expect(await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBe(0);
      await page.locator('.heat').screenshot({ path: join(shots, 'experts-narrow.png') });
    },
    limitMs,
  );

  it(
    'names a group that is gone',
    async () => {
      coordinator.kill('SIGKILL');
      await page.getByText(`No inference group answers at ${address}`).waitFor();
      expect(troubles).toEqual([]);
    },
    limitMs,
  );
});
