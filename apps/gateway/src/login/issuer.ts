import * as oidc from 'openid-client';
import { messageOf, Unavailable } from '#errors';
import { boundedFetch } from './bounded-fetch.ts';
import type { OidcSettings } from './oidc-settings.ts';
import { type Claims, loginRefused } from './people.ts';

/** What a browser keeps between leaving for the issuer and coming back; only it can finish the login. */
export interface Ticket {
  readonly state: string;
  readonly nonce: string;
  /** Of PKCE: whoever steals the code cannot use it without. */
  readonly verifier: string;
}

/** How long what the issuer says of itself is taken for true, and how long a look that failed is not repeated. */
const knownMs = 3_600_000;
const pauseMs = 3_000;

/** Longest wait for one answer of the issuer. */
const answerSeconds = 8;

/** Public keys only: whoever could check `none` or a shared secret's signature could make one. */
const usableAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Clocks of the issuer and this machine may differ by so much. */
const toleranceSeconds = 30;

interface Look {
  readonly begunMs: number;
  readonly found: Promise<oidc.Configuration>;
  failed: boolean;
}

/**
 * An identity provider. Nothing of it is needed to start: it is looked up when somebody logs in, and its keys are fetched
 * again for a key id that is not among them, once a minute at most.
 */
export class Issuer {
  readonly #settings: OidcSettings;
  readonly #nowMs: () => number;
  #look: Look | null = null;

  constructor(settings: OidcSettings, nowMs: () => number = () => performance.now()) {
    this.#settings = settings;
    this.#nowMs = nowMs;
  }

  /** @throws Unavailable when it does not answer, or in no form that can be used */
  async find(): Promise<void> {
    await this.#configuration();
  }

  /** Where to send a browser, and what it is to keep for when it comes back. @throws Unavailable */
  async begin(): Promise<{ readonly address: string; readonly ticket: Ticket }> {
    const configuration = await this.#configuration();
    const ticket = { state: oidc.randomState(), nonce: oidc.randomNonce(), verifier: oidc.randomPKCECodeVerifier() };
    const address = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#settings.redirectUri,
      scope: this.#settings.scopes,
      state: ticket.state,
      nonce: ticket.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(ticket.verifier),
      code_challenge_method: 'S256',
    });
    return { address: address.href, ticket };
  }

  /**
   * Exchanges what a browser came back with for what the issuer says of its person.
   * @param query of the address that it came back to
   * @throws Refusal when the issuer, or a check of what it says, says no; Unavailable
   */
  async finish({ state, nonce, verifier }: Ticket, query: string): Promise<Claims> {
    const configuration = await this.#configuration();
    const came = new URL(this.#settings.redirectUri);
    came.search = query;
    const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true };
    try {
      const claims = (await oidc.authorizationCodeGrant(configuration, came, checks)).claims();
      if (claims === undefined) throw new Error('The library let an answer without an ID token pass.');
      return claims;
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async #configuration(): Promise<oidc.Configuration> {
    const now = this.#nowMs();
    const last = this.#look;
    if (last !== null && now - last.begunMs < (last.failed ? pauseMs : knownMs)) return await last.found;
    const look: Look = { begunMs: now, found: discover(this.#settings), failed: false };
    this.#look = look;
    look.found.catch(() => {
      look.failed = true;
    });
    return await look.found;
  }

  #explained(error: unknown): Error {
    const { name } = this.#settings;
    if (error instanceof oidc.AuthorizationResponseError) {
      return loginRefused(`${name} let nobody in: ${said(error)}.`, { cause: error });
    }
    if (error instanceof oidc.ResponseBodyError && error.error === 'invalid_grant') {
      const message = `${name} does not take this login: it was used already, is too old, or was begun elsewhere. Begin again.`;
      return loginRefused(message, { cause: error });
    }
    if (error instanceof oidc.ResponseBodyError || error instanceof oidc.WWWAuthenticateChallengeError) {
      const what = error instanceof oidc.ResponseBodyError ? said(error) : `status ${error.status}`;
      const message = `${name} refuses this server: ${what}. Whoever runs it looks at ARGOSY_OIDC_CLIENT_ID, ARGOSY_OIDC_CLIENT_SECRET and what is registered there.`;
      return new Unavailable(message, { cause: error });
    }
    if (isAway(error)) return away(this.#settings, error);
    return loginRefused(`What ${name} said of this login does not hold: ${reasonsIn(error)}. Begin again.`, {
      cause: error,
    });
  }
}

async function discover(settings: OidcSettings): Promise<oidc.Configuration> {
  const { issuer, clientId, clientSecret } = settings;
  const insecure = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
  try {
    const options = { [oidc.customFetch]: boundedFetch, timeout: answerSeconds, execute: insecure };
    const looked = await oidc.discovery(issuer, clientId, undefined, undefined, options);
    const { supportsPKCE: _, ...found } = looked.serverMetadata();
    const offered = found.id_token_signing_alg_values_supported ?? ['RS256'];
    const algorithms = offered.filter((one) => usableAlgorithms.includes(one));
    if (algorithms.length === 0) throw new Error(`it signs ID tokens by ${offered.join(', ')} alone`);
    const configuration = new oidc.Configuration(
      { ...found, id_token_signing_alg_values_supported: algorithms },
      clientId,
      { [oidc.clockTolerance]: toleranceSeconds },
      authenticationOf(clientSecret, found.token_endpoint_auth_methods_supported),
    );
    configuration[oidc.customFetch] = boundedFetch;
    configuration.timeout = answerSeconds;
    for (const allow of insecure) allow(configuration);
    // Or else TLS alone would say from whom an ID token is.
    oidc.enableNonRepudiationChecks(configuration);
    return configuration;
  } catch (error) {
    throw away(settings, error);
  }
}

/** `client_secret_basic` is what a server takes that says nothing (RFC 8414, 2). */
function authenticationOf(
  secret: string | null,
  methods: readonly string[] = ['client_secret_basic'],
): oidc.ClientAuth {
  if (secret === null) return oidc.None();
  return methods.includes('client_secret_basic') ? oidc.ClientSecretBasic(secret) : oidc.ClientSecretPost(secret);
}

function away({ issuer, name }: OidcSettings, cause: unknown): Unavailable {
  const message = `${name} cannot be asked now (${issuer.href}: ${reasonsIn(cause)}). Log in with an API key, or try again in a moment.`;
  return new Unavailable(message, { cause });
}

/** No connection, no answer in time, or one that is no answer: nothing that whoever logs in could have caused. */
function isAway(error: unknown): boolean {
  if (error instanceof oidc.ClientError) return awayCodes.has(error.code ?? '');
  return error instanceof TypeError || (error as { name?: unknown }).name === 'TimeoutError';
}

const awayCodes: ReadonlySet<string> = new Set([
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
  'OAUTH_HTTP_REQUEST_FORBIDDEN',
]);

function said({
  error,
  error_description: more,
}: {
  readonly error: string;
  readonly error_description?: string | undefined;
}): string {
  return more === undefined ? error.slice(0, 100) : `${error.slice(0, 100)} (${more.slice(0, 300)})`;
}

/** The library tells the general thing, and what it was in the cause. */
function reasonsIn(error: unknown): string {
  const cause = (error as { readonly cause?: unknown } | null)?.cause;
  const words = [messageOf(error), ...(cause instanceof Error ? [messageOf(cause)] : [])];
  return [...new Set(words)].join(': ').slice(0, 400);
}
