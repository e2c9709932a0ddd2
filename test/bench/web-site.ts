import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian packages of documentation, and how many of their pages the site has: long ones, short ones, old ones. */
const packages: readonly (readonly [name: string, pages: number])[] = [
  ['python3.11-doc', 120],
  ['postgresql-doc-15', 120],
  ['sqlite3-doc', 60],
];

/** A page of the site as it is served. */
export interface SitePage {
  readonly path: string;
  readonly html: Buffer;
}

/**
 * 300 pages of real documentation, the same ones each time: spread evenly over each package's pages in order of name.
 * What is in `cache` already is not fetched again.
 * @throws when apt-get cannot be asked: there is nothing to measure then
 */
export async function documentationPages(cache: string): Promise<SitePage[]> {
  const pages: SitePage[] = [];
  for (const [name, count] of packages) {
    const folder = join(cache, name);
    if (!existsSync(join(folder, 'usr'))) {
      await mkdir(folder, { recursive: true });
      await run('apt-get', ['download', name], { cwd: folder });
      const archive = (await readdir(folder)).find((file) => file.endsWith('.deb'));
      if (archive === undefined) throw new Error(`apt-get downloaded no ${name}`);
      await run('dpkg-deb', ['-x', join(folder, archive), folder]);
    }
    const found = (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && entry.name.endsWith('.html'))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    const step = found.length / Math.min(count, found.length);
    for (let n = 0; n < Math.min(count, found.length); n++) {
      const file = found[Math.floor(n * step)] ?? '';
      pages.push({ path: `/${name}/${n}.html`, html: await readFile(file) });
    }
  }
  return pages;
}

/** A page that holds nothing until its script has asked for its text. */
const scripted = `<!doctype html><html><head><title>Scripted</title></head><body><div id="root"></div>
<script>fetch('/text').then((r) => r.text()).then((t) => { document.getElementById('root').innerHTML = t; });</script></body></html>`;
const text = `<h1>Scripted</h1>${'<p>This paragraph was put here by a script, after the page had come.</p>'.repeat(20)}`;

/** Serves the pages from memory on loopback, and `/scripted`. Any query is ignored: it makes a page another one. */
export async function serveSite(pages: readonly SitePage[]): Promise<{ origin: string; close(): void }> {
  const byPath = new Map(pages.map(({ path, html }) => [path, html] as const));
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const body = path === '/scripted' ? scripted : path === '/text' ? text : byPath.get(path);
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'text/html' }).end(body ?? 'none');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a host and a port
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
