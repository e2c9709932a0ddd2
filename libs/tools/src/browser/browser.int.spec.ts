import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EgressProxy, parseAllow } from '#egress';
import { Aborted, DeadlineExceeded } from '#errors';
import { Browser, type BrowserOptions } from './browser.ts';
import { findChromium } from './find.ts';
import { RenderFault } from './tab.ts';

const program = findChromium('auto');
const words = 'Made by a script, and long enough to be a text that somebody would want to read. '.repeat(4);
const page = (script: string, head = '') =>
  `<html><head>${head}</head><body><div id="root"></div><script>${script}</script></body></html>`;
const show = (expression: string) => `document.getElementById('root').textContent = ${expression};`;

const pages: Record<string, string> = {
  '/fetches': page(`fetch('/data').then((r) => r.text()).then((t) => setTimeout(() => { ${show('t')} }, 300))`),
  '/data': words,
  '/shadow': page(`const host = document.createElement('my-card'); host.innerHTML = '<b>slotted</b>';
    host.attachShadow({ mode: 'open' }).innerHTML = '<p>in the shadow, <slot></slot></p>'; document.body.append(host); ${show(`'${words}'`)}`),
  '/heavy': page(
    show(`'${words}'`),
    `<style>@font-face { font-family: f; src: url(/font.woff2) } body { font-family: f; background: url(/back.png) }</style>
     <link rel="stylesheet" href="/style.css"></head><img src="/a.jpg"><video src="/v.mp4" autoplay></video>`,
  ),
  '/stores':
    page(`document.cookie = 'seen=1; max-age=999'; const before = localStorage.getItem('seen'); localStorage.setItem('seen', 1);
    ${show(`'before:' + before + ' ${words}'`)}`),
  '/dialogs': page(
    `alert('hello'); const p = prompt('name'); open('/popup'); ${show(`'answered ' + p + ' ${words}'`)}`,
  ),
  '/worker': page(
    `navigator.serviceWorker?.register('/sw.js').then(() => { ${show("'registered'")} }, (e) => { ${show(`'refused ' + e.message + ' ${words}'`)} })`,
  ),
  '/sw.js': '/* */',
  '/spins': page('while (true) {}'),
  '/grows': page(
    `setInterval(() => { for (let n = 0; n < 1000; n++) document.body.append(document.createElement('p')) }, 1)`,
  ),
  '/moves': page(`location.href = '/fetches'`),
};

/** A process that has ended. */
async function killed(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child;
}

const inBrowser = program === null ? describe.skip : describe;

inBrowser(`Browser${program === null ? ' [needs Chromium]' : ''}`, () => {
  let profiles: string;
  let site: Server;
  let secret: Server;
  let proxy: EgressProxy;
  let origin: string;
  let secretPort: number;
  const asked: string[] = [];
  const told: string[] = [];
  const browsers: Browser[] = [];
  const signal = () => new AbortController().signal;

  beforeAll(async () => {
    profiles = await mkdtemp(join(tmpdir(), 'argosy-browsers-'));
    secret = createServer((request, response) => {
      told.push(request.url ?? '');
      response.writeHead(200, { 'access-control-allow-origin': '*' }).end('secret');
    });
    secret.on('upgrade', (request, socket) => {
      told.push(`upgrade ${request.url}`);
      socket.destroy();
    });
    site = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url === '/never') return;
      if (request.url === '/download') {
        response.writeHead(200, { 'content-type': 'application/zip', 'content-disposition': 'attachment' }).end('PK');
        return;
      }
      if (request.url === '/leads-inside') {
        response.writeHead(302, { location: `http://127.0.0.1:${secretPort}/redirected` }).end();
        return;
      }
      const { pathname, search } = new URL(request.url ?? '/', 'http://a');
      const made = { '/steals': () => stealing(secretPort), '/calls': () => calling(search.slice(1)) }[pathname];
      const body = made?.() ?? pages[request.url ?? ''];
      const type =
        request.url === '/data' ? 'text/plain' : request.url?.endsWith('.js') ? 'text/javascript' : 'text/html';
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': type }).end(body ?? 'no');
    });
    for (const server of [secret, site]) await once(server.listen(0, '127.0.0.1'), 'listening');
    secretPort = (secret.address() as AddressInfo).port;
    const { port } = site.address() as AddressInfo;
    origin = `http://127.0.0.1:${port}`;
    proxy = await EgressProxy.start({ allow: parseAllow(`127.0.0.1:${port},localhost:${port}`) });
  }, 60_000);
  afterAll(async () => {
    await Promise.all(browsers.map((browser) => browser.close()));
    await proxy.close(0);
    for (const server of [site, secret]) {
      server.closeAllConnections();
      server.close();
    }
    expect(await processes()).toEqual([]);
    expect(await readdir(profiles)).toEqual([]);
    await rm(profiles, { recursive: true });
  });

  /** Processes that were started with a profile of these tests. */
  async function processes(): Promise<string[]> {
    const found: string[] = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (command.includes(profiles)) found.push(pid);
    }
    return found;
  }

  const open = (options: Partial<BrowserOptions> = {}) => {
    const proxyFor = async () => proxy.url;
    const browser = new Browser({ program: program ?? '', userAgent: 'argosy-test', profiles, proxyFor, ...options });
    browsers.push(browser);
    return browser;
  };
  const shared = open();
  const render = async (path: string, browser = shared) => await browser.render(new URL(path, origin), signal());

  it('gives a page as its scripts made it, also what came late and what stands in shadow trees', async () => {
    const { html, url, status } = await render('/fetches');
    expect(html).toContain(words.trim());
    expect({ url, status }).toEqual({ url: `${origin}/fetches`, status: 200 });
    expect((await render('/shadow')).html).toContain('in the shadow, <b>slotted</b>');
  }, 60_000);

  it('asks for no pictures, fonts and media', async () => {
    asked.length = 0;
    await render('/heavy');
    expect(asked.toSorted()).toEqual(['/heavy', '/style.css']);
  });

  it('takes away what browsers of killed processes left, and nothing of the living', async () => {
    const { pid: dead = 0 } = await killed();
    const folder = await mkdtemp(join(profiles, 'left-'));
    const [here, other] = [hostname(), 'another-machine'];
    const owners = [
      { host: here, pid: dead },
      { host: here, pid: process.pid },
      { host: here, pid: process.ppid },
      { host: other, pid: dead },
    ];
    for (const [index, owner] of owners.entries()) {
      const profile = join(folder, `argosy-browser-${index}`);
      await mkdir(join(profile, 'Default'), { recursive: true });
      await writeFile(join(profile, 'argosy-owner.json'), JSON.stringify({ ...owner, mark: 'of before' }));
    }
    await mkdir(join(folder, 'argosy-browser-unknown'));
    await open({ profiles: folder }).close();
    expect((await readdir(folder)).toSorted()).toEqual([
      'argosy-browser-2',
      'argosy-browser-3',
      'argosy-browser-unknown',
    ]);
    await rm(folder, { recursive: true });
  });

  it('reaches nothing private, whatever the page tries and however it spells the address', async () => {
    const hasty = open({ limits: { settleMs: 2_000 } });
    const { html } = await render('/steals', hasty);
    expect(html).toContain('tried');
    expect(told).toEqual([]);
    await expect(render('/leads-inside', hasty)).resolves.not.toMatchObject({
      html: expect.stringContaining('secret'),
    });
    expect(told).toEqual([]);
  });

  it('lets no frame of another site send a packet past the proxy', async () => {
    const ear = createSocket('udp4');
    let packets = 0;
    ear.on('message', () => packets++);
    ear.bind(0, '127.0.0.1');
    await once(ear, 'listening');
    const { port } = new URL(origin);
    const frame = `http://localhost:${port}/calls?${ear.address().port}`;
    pages['/framing'] = page(`addEventListener('message', ({ data }) => { ${show(`data + ' ${words}'`)} })`).replace(
      '</body>',
      `<iframe src="${frame}"></iframe></body>`,
    );
    const { html } = await render('/framing');
    ear.close();
    expect(packets).toBe(0);
    expect(html).toContain('>gathered');
  }, 60_000);

  it('keeps nothing from one page to the next', async () => {
    await render('/stores');
    expect((await render('/stores')).html).toContain('before:null');
  });

  it('answers no dialog, opens no second page, registers no service worker, takes no download', async () => {
    asked.length = 0;
    expect((await render('/dialogs')).html).toContain('answered null');
    expect((await render('/worker')).html).toContain('>refused not here');
    expect(asked).not.toContain('/popup');
    expect(asked).not.toContain('/sw.js');
    await expect(render('/download')).rejects.toThrow(RenderFault);
  });

  it('reads the page that a script moves on to, and says where it is', async () => {
    const { html, url } = await render('/moves');
    expect(html).toContain(words.trim());
    expect(url).toBe(`${origin}/fetches`);
  });

  it('refuses a page of more elements than are read', async () => {
    const small = open({ limits: { elements: 500, settleMs: 500 } });
    await expect(render('/grows', small)).rejects.toThrow(/more than 500 elements/);
  });

  it('gives up a page that never comes, and the next one comes', async () => {
    const quick = open({ limits: { loadMs: 500 } });
    await expect(render('/never', quick)).rejects.toThrow(/within 500 ms/);
    expect((await render('/fetches', quick)).html).toContain(words.trim());
  });

  it('survives a page whose script never ends, and ends its processes', async () => {
    const busy = open({ limits: { loadMs: 500, settleMs: 200 } });
    await expect(render('/spins', busy)).rejects.toThrow(DeadlineExceeded);
    expect((await render('/stores', busy)).html).toContain('before:null');
    await busy.close();
  }, 60_000);

  it('lets go of a page whose caller leaves, also of one that waits for its turn', async () => {
    const one = open({ pages: 1 });
    const caller = new AbortController();
    const both = ['/never', '/fetches'].map((path) => one.render(new URL(path, origin), caller.signal));
    caller.abort();
    for (const page of both) await expect(page).rejects.toThrow(Aborted);
    expect((await render('/fetches', one)).html).toContain(words.trim());
  });

  it('is another process after so many pages', async () => {
    const short = open({ recyclePages: 1, profiles: await mkdtemp(join(profiles, 'short-')) });
    const folders = async () =>
      (await readdir(profiles, { recursive: true })).filter((name) => /^short-\w+\/argosy-browser-\w+$/.test(name));
    await render('/fetches', short);
    const first = await folders();
    await render('/fetches', short);
    const second = await folders();
    expect([first.length, second.length]).toEqual([1, 1]);
    expect(second).not.toEqual(first);
    await short.close();
    await rm(join(profiles, first[0]?.split('/')[0] ?? ''), { recursive: true });
  }, 60_000);

  it('says what is wrong with a program that is no browser', async () => {
    const wrong = open({ program: '/bin/false' });
    await expect(render('/fetches', wrong)).rejects.toThrow(/\/bin\/false could not be started/);
  });
});

/** A page that looks for its own address at a server of UDP, as calls between browsers begin. */
function calling(port: string): string {
  return page(`const call = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:${port}' }] });
    call.createDataChannel('x');
    call.onicecandidate = ({ candidate }) => { if (!candidate) parent.postMessage('gathered', '*'); };
    call.createOffer().then((offer) => call.setLocalDescription(offer));`);
}

/** A page that tries every door to a server on this machine. */
function stealing(port: number): string {
  const places = [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    `127.1:${port}`,
    `0x7f000001:${port}`,
    `[::1]:${port}`,
    `[::ffff:127.0.0.1]:${port}`,
  ];
  const tries = places.map(
    (place) => `
    fetch('http://${place}/fetch', { mode: 'no-cors' }).catch(() => 0); navigator.sendBeacon('http://${place}/beacon', 'x');
    new WebSocket('ws://${place}/socket'); new EventSource('http://${place}/events');
    { const s = document.createElement('script'); s.src = 'http://${place}/script'; document.body.append(s); }
    { const f = document.createElement('iframe'); f.src = 'http://${place}/frame'; document.body.append(f); }
    { const l = document.createElement('link'); l.rel = 'stylesheet'; l.href = 'http://${place}/style'; document.head.append(l); }
    new Worker(URL.createObjectURL(new Blob(["fetch('http://${place}/worker',{mode:'no-cors'})"])));`,
  );
  return page(`try { ${tries.join('')} } catch {} try { new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:${port}' }] }) } catch {}
    ${show(`'tried ${words}'`)}`);
}
