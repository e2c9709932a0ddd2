/** A real browser on the console, for its tests and its benchmark. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

/** @param program of Chromium */
export async function launchBrowser(program: string): Promise<Browser> {
  // As root, which containers run as, Chromium has no sandbox of its own; it opens nothing but our own pages.
  return await chromium.launch({ executablePath: program, args: ['--no-sandbox'] });
}

/** What went wrong in a page without anybody asking: faults, refusals of its policy, dialogs, requests elsewhere. */
export function watchPage(page: Page, origin: string): string[] {
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    troubles.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => undefined);
  });
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML|Trusted Type/i.test(message.text())) troubles.push(message.text());
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith('blob:')) troubles.push(`request to ${url}`);
  });
  return troubles;
}

const axeSource = readFileSync(join(import.meta.dirname, '../node_modules/axe-core/axe.min.js'), 'utf8');

/** What axe finds against WCAG 2.2 A and AA in a page, as `rule: element`. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // The debugger's own way in, which the page's policy has no say in.
  await page.evaluate(axeSource);
  return await page.evaluate<string[]>(`axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
    .then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ': ' + target)))`);
}
