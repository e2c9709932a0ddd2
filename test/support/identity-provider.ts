/** A real identity provider on loopback, which lets in whomever its page is told, and can be made to lie. */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';

/** What is known of somebody, by their subject. */
type People = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** What a token says and how it is signed. */
export interface TokenParts {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface IdentityProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What is done to the next ID tokens before anybody sees them; null for nothing. */
  tamper: ((parts: TokenParts) => string) | null;
  /** A token that the provider signed itself. */
  signed(parts: TokenParts): string;
  /** Answers to what is asked of it with 503 for as long as it is true. */
  away: boolean;
  close(): Promise<void>;
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** @param key null: unsigned */
export function tokenOf({ header, claims }: TokenParts, key: KeyObject | null): string {
  const head = `${base64url(header)}.${base64url(claims)}`;
  return `${head}.${key === null ? '' : sign('sha256', Buffer.from(head), key).toString('base64url')}`;
}

/** A key for RS256. */
export function newSigningKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

interface Wanted {
  readonly people: People;
  /** Where browsers may come back to. */
  readonly redirectUri: string;
  /** Default: RS256. */
  readonly algorithm?: 'RS256' | 'ES256';
}

export async function startIdentityProvider(wanted: Wanted): Promise<IdentityProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // of a server that listens
  const issuer = `http://127.0.0.1:${port}`;
  const [clientId, clientSecret] = ['argosy', randomBytes(32).toString('hex')];
  const rsa = newSigningKey();
  const provider = new Provider(issuer, configurationOf(wanted, { clientId, clientSecret }, rsa));
  const standing: IdentityProvider = {
    ...{ issuer, clientId, clientSecret, tamper: null, away: false },
    signed: (parts) => tokenOf(parts, rsa),
    close: async () => await closed(server),
  };
  provider.use(async (context, next) => {
    await next();
    const { body } = context as { body?: { id_token?: string } };
    if (standing.tamper !== null && body?.id_token !== undefined) {
      context.body = { ...body, id_token: standing.tamper(partsOf(body.id_token)) };
    }
  });
  const handle = provider.callback();
  server.on('request', (request, response) => {
    if (standing.away) return void response.writeHead(503).end();
    if (!request.url?.startsWith('/choose/')) return void handle(request, response);
    void choose(provider, wanted.people, request, response);
  });
  return standing;
}

function partsOf(token: string): TokenParts {
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header ?? ''), claims: JSON.parse(claims ?? '') };
}

interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
}

function configurationOf(
  { people, redirectUri, algorithm = 'RS256' }: Wanted,
  { clientId, clientSecret }: Client,
  rsa: KeyObject,
): Configuration {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const known = new Set(Object.values(people).flatMap((claims) => Object.keys(claims)));
  return {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        id_token_signed_response_alg: algorithm,
      },
    ],
    jwks: {
      keys: [rsa, ec].map((key) => ({
        ...createPrivateKey(key.export({ type: 'pkcs8', format: 'pem' })).export({ format: 'jwk' }),
        use: 'sig',
      })) as never,
    },
    claims: { openid: ['sub', ...known] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    ttl: { Interaction: 3_600, Grant: 3_600, Session: 3_600, AccessToken: 3_600, IdToken: 3_600 },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    interactions: { url: (_, { uid }) => `/choose/${uid}` },
    findAccount: (_, sub) => ({ accountId: sub, claims: async () => ({ sub, ...people[sub] }) }),
    // Nobody is asked whether Argosy may know who they are.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session?.accountId ?? '' });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  };
}

/** A button for each person; the one that is pressed is logged in. */
async function choose(
  provider: Provider,
  people: People,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'POST') {
    const buttons = Object.keys(people).map((sub) => `<button name="as" value="${sub}">${sub}</button>`);
    response.setHeader('content-type', 'text/html');
    return void response.end(`<!doctype html><title>Who?</title><form method="post">${buttons.join('')}</form>`);
  }
  let body = '';
  for await (const part of request) body += String(part);
  const accountId = new URLSearchParams(body).get('as') ?? '';
  const result = accountId === 'nobody' ? { error: 'access_denied' } : { login: { accountId } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

/**
 * Goes the way of a browser, from where a login begins to where the provider sends it back.
 * @returns what stands behind the `?` of that address
 */
export async function logInAs(who: string, address: string, redirectUri: string): Promise<string> {
  const jar = new Map<string, string>();
  let [url, init]: [string, RequestInit] = [address, {}];
  for (let hop = 0; hop < 10; hop += 1) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';', 1)[0]?.split(/=(.*)/s) ?? [];
      jar.set(name, value);
    }
    const next = response.headers.get('location');
    // Its page with the buttons sends nobody on.
    init = next === null ? { method: 'POST', body: new URLSearchParams({ as: who }) } : {};
    if (next !== null) url = new URL(next, url).href;
    if (url.startsWith(redirectUri)) return new URL(url).search.slice(1);
  }
  throw new Error(`The provider never sent the browser back; last it was at ${url}.`);
}
