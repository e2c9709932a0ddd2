/** Logging in as people do it: the built console, a gateway that asks for keys, an identity provider, a real browser. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scopes } from '#contracts';
import { Gateway, Logins } from '#gateway';
import { jsonLogger } from '#platform';
import { type ApiKeys, parsePepper } from '#runs';
import { findChromium } from '#tools';
import { launchBrowser, watchPage } from '../../apps/console/e2e/browser.ts';
import { freePort } from '../../scripts/servers/private-server.mjs';
import { runsOn, temporaryFolder } from '../support/embedded.ts';
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts';
import { offerOf } from '../support/offers.ts';
import { acceptanceOf } from '../support/research.ts';
import { signingKey } from '../support/sealing.ts';

const browserPath = findChromium('auto');
const describeBrowser = browserPath === null ? describe.skip : describe;
const consoleFolder = join(import.meta.dirname, '../../dist/apps/console/site');

/** Far above what a loaded machine needs. */
const limitMs = 180_000;

const people = { ada: { email: 'ada@example.com', email_verified: true } };

describeBrowser(`logging in to the console${browserPath === null ? ' [needs Chromium]' : ''}`, () => {
  const folder = temporaryFolder();
  let store: Awaited<ReturnType<ReturnType<typeof runsOn>>>;
  let keys: ApiKeys;
  let provider: IdentityProvider;
  let gateway: Gateway;
  let browser: Awaited<ReturnType<typeof launchBrowser>>;
  const troubles: string[] = [];

  beforeAll(async () => {
    store = await runsOn({ leaseMs: 60_000, relookMs: 60_000, pollMs: 50 })(folder);
    keys = store.runs.keys({ pepper: parsePepper(randomBytes(32).toString('hex')), env: 'test' });
    await keys.ensureTenant('acme');
    await store.runs.accept(acceptanceOf('acme', 'run_1'));
    const port = await freePort();
    const redirectUri = `http://127.0.0.1:${port}/login/callback`;
    provider = await startIdentityProvider({ people, redirectUri });
    const { issuer, clientId, clientSecret } = provider;
    const membership = { tenantId: 'acme', tenantClaim: null, tenants: null, admin: null, domains: null };
    const client = { issuer: new URL(issuer), clientId, clientSecret, scopes: 'openid email', name: 'Acme' };
    const logins = new Logins({ ...client, redirectUri, sessionMs: 3_600_000, membership }, keys);
    const options = { host: '127.0.0.1', port, tenantId: 'local', signingKey, keys, logins, consoleFolder };
    gateway = await Gateway.start(
      store.runs,
      offerOf({ providers: ['arxiv'] }),
      options,
      jsonLogger('gateway', 'error', () => undefined),
    );
    browser = await launchBrowser(browserPath ?? '');
  }, limitMs);
  afterAll(async () => {
    await browser?.close();
    await gateway?.stop();
    await provider?.close();
    await keys?.close();
    await store?.close();
  }, limitMs);

  /** A tab of a browser that was never here. */
  async function freshTab() {
    const context = await browser.newContext();
    const tab = await context.newPage();
    tab.setDefaultTimeout(limitMs / 2);
    const seen = watchPage(tab, gateway.url);
    return {
      tab,
      close: async () => {
        troubles.push(...seen.filter((trouble) => !trouble.startsWith(`request to ${provider.issuer}`)));
        await context.close();
      },
    };
  }

  it(
    'asks for a key, sends it by itself with every request, and keeps it in the tab alone',
    async () => {
      const wish = { name: 'test', scopes: [...scopes], expiresAt: null };
      const { text } = await keys.create({ tenantId: 'acme', actor: 'operator' }, wish);
      const { tab, close } = await freshTab();
      await tab.goto(`${gateway.url}/runs`);
      await tab.getByLabel('API key').fill('arg_bad');
      await tab.getByRole('button', { name: 'Enter' }).click();
      await tab.getByText('The key was not accepted').waitFor();
      await tab.getByLabel('API key').fill(text);
      await tab.getByRole('button', { name: 'Enter' }).click();
      await tab.locator('.runs li').first().waitFor();
      await tab.reload();
      await tab.locator('.runs li').first().waitFor();
      expect(await tab.context().cookies()).toEqual([]);
      const other = await tab.context().newPage();
      await other.goto(`${gateway.url}/welcome`);
      expect(await other.evaluate<unknown>(`sessionStorage.getItem('argosy.key') ?? localStorage.length`)).toBe(0);
      await close();
    },
    limitMs,
  );

  it(
    'lets people in by their identity provider, keeps what they were at when their login is over, and lets them out',
    async () => {
      const { tab, close } = await freshTab();
      await tab.goto(`${gateway.url}/runs`);
      await tab.getByRole('button', { name: 'Log in with Acme' }).click();
      await tab.getByRole('button', { name: 'ada' }).click();
      await tab.locator('.runs li').first().waitFor();
      expect(tab.url()).toBe(`${gateway.url}/runs`);
      await tab.getByText('ada@example.com').waitFor();

      await tab.getByRole('link', { name: 'Ask', exact: true }).click();
      await tab.getByLabel('Question').fill('Why does the login end?');
      const [login] = (await keys.list('acme', null, 100)).filter(({ person }) => person === 'ada');
      await keys.revoke({ tenantId: 'acme', actor: 'operator' }, login?.id ?? '');
      await tab.getByLabel('Question').press('Control+Enter');
      await tab.getByText('Your login is over').waitFor();
      // The provider still knows who it is, and asks nothing.
      await tab.getByRole('button', { name: 'Log in with Acme' }).click();
      await tab.getByLabel('Question').waitFor();
      expect(await tab.getByLabel('Question').inputValue()).toBe('Why does the login end?');
      await tab.getByLabel('Question').press('Control+Enter');
      await tab
        .getByRole('heading', { level: 1, name: 'Why does the login end?' })
        .or(tab.getByRole('alert'))
        .waitFor();
      expect(await tab.getByRole('alert').allInnerTexts()).toEqual([]);
      const runs = await store.runs.list('acme', { before: null, limit: 10 });
      expect(runs.map(({ question }) => question)).toContain('Why does the login end?');

      await tab.getByRole('button', { name: 'Log out' }).click();
      await tab.getByRole('button', { name: 'Log in with Acme' }).waitFor();
      expect((await keys.list('acme', null, 100)).filter(({ person }) => person !== null)).toEqual([]);
      expect(await tab.evaluate<unknown>(`sessionStorage.getItem('argosy.key')`)).toBeNull();
      await close();
    },
    limitMs,
  );

  it(
    'finishes no login that this tab did not begin, and forgets what the address held',
    async () => {
      const { tab, close } = await freshTab();
      await tab.goto(`${gateway.url}/login/callback?code=of-somebody&state=else`);
      await tab.getByText('This tab began no login').waitFor();
      expect(tab.url()).toBe(`${gateway.url}/login/callback`);
      await close();
    },
    limitMs,
  );

  it('broke no rule of the policy and asked nobody but the provider', () => {
    expect(troubles).toEqual([]);
  });
});
