import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jsonLogger } from '#platform';
import type { Runs } from '#runs';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './gateway.ts';

const offer = { models: new Map(), defaultModel: 'none', providers: [], knowsCorpus: () => false };
const quiet = jsonLogger('gateway', 'error', () => undefined);
const page = '<!doctype html><title>Argosy</title>';

const folder = mkdtempSync(path.join(tmpdir(), 'argosy-console-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function gatewayWith(consoleFolder: string): Promise<Gateway> {
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, consoleFolder };
  // No route that is asked here looks at a run.
  return await Gateway.start({} as Runs, offer, options, quiet);
}

describe('the console', () => {
  let gateway: Gateway;
  const get = async (where: string, init: RequestInit = {}) => await fetch(new URL(where, gateway.url), init);

  beforeAll(async () => {
    mkdirSync(path.join(folder, 'assets'));
    writeFileSync(path.join(folder, 'index.html'), page);
    writeFileSync(path.join(folder, 'assets', 'index-1a2b.js'), 'export {};');
    gateway = await gatewayWith(folder);
  });
  afterAll(async () => await gateway.stop());

  it.each(['/', '/runs', '/runs/run_1', '/fleet', '/settings', '/welcome'])('is answered at %s', async (where) => {
    const response = await get(where);
    expect([response.status, await response.text()]).toEqual([200, page]);
    expect(response.headers.get('cache-control')).toBe('no-cache');
  });

  it('lets nothing run or load but its own files, and nobody frame it', async () => {
    const policy = (await get('/')).headers.get('content-security-policy') ?? '';
    expect(policy).not.toContain('unsafe');
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
      expect(policy.split('; ')).toContain(rule);
    }
  });

  it('has files that never change under their name, compressed for who reads that', async () => {
    const response = await get('/assets/index-1a2b.js');
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(await response.text()).toBe('export {};');
  });

  it.each(['/assets/other.js', '/assets/..%2findex.html', '/assets/', '/elsewhere'])('has no %s', async (where) => {
    expect((await get(where)).status).toBe(404);
  });

  it('is no part of the API', () => {
    expect(gateway.routes.filter((route) => /^GET \/(assets\b|fleet|runs|settings|welcome|$)/.test(route))).toEqual([]);
  });

  it('is refused to a foreign Host like everything else', async () => {
    const response = await get('/', { headers: { origin: 'https://elsewhere.example' } });
    expect(response.status).toBe(403);
  });
});

it('is said to be missing where nobody built it', async () => {
  const gateway = await gatewayWith(path.join(folder, 'nothing'));
  const response = await fetch(gateway.url);
  expect(response.status).toBe(404);
  expect(await response.text()).toMatch(/^This server has no console: .*\n$/);
  await gateway.stop();
});
