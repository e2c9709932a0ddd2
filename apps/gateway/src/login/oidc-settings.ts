import { InvalidInput, type Problem } from '#errors';
import type { Config } from '#platform';

/** Of whom a person is, and what they may do there. */
export interface Membership {
  /** Whose ID token says nothing of a tenant is of this one; null: of none. */
  readonly tenantId: string | null;
  /** The claim that says of which tenant a person is; null: there is none. */
  readonly tenantClaim: string | null;
  /** Tenants by the values of that claim; null: the value is the tenant's id. */
  readonly tenants: ReadonlyMap<string, string> | null;
  /** Whoever has this value in this claim administers the tenant; null: nobody who logs in does. */
  readonly admin: { readonly claim: string; readonly value: string } | null;
  /** Domains that a verified e-mail address must be of; null: any, or none. */
  readonly domains: readonly string[] | null;
}

/** An identity provider, and how this deployment is known there. */
export interface OidcSettings {
  readonly issuer: URL;
  readonly clientId: string;
  /** Null for a public client, which has PKCE alone. */
  readonly clientSecret: string | null;
  readonly scopes: string;
  /** What people call it. */
  readonly name: string;
  /** Where browsers come back to; registered with the issuer. */
  readonly redirectUri: string;
  readonly sessionMs: number;
  readonly membership: Membership;
}

type LoginConfig = Pick<
  Config,
  'ARGOSY_KEY_PEPPER' | 'ARGOSY_PUBLIC_URL' | Extract<keyof Config, `ARGOSY_OIDC_${string}`>
>;

/**
 * What the environment says of logging in; null where nobody can but with a key.
 * @throws InvalidInput listing what is missing or does not go together
 */
export function oidcOf(config: LoginConfig): OidcSettings | null {
  const { ARGOSY_OIDC_ISSUER: issuer, ARGOSY_OIDC_CLIENT_ID: clientId, ARGOSY_PUBLIC_URL: publicUrl } = config;
  const problems = problemsOf(config);
  if (problems.length > 0) throw new InvalidInput(problems);
  if (issuer === undefined || clientId === undefined || publicUrl === undefined) return null;
  const url = new URL(issuer);
  return {
    issuer: url,
    clientId,
    clientSecret: config.ARGOSY_OIDC_CLIENT_SECRET ?? null,
    scopes: config.ARGOSY_OIDC_SCOPES,
    name: config.ARGOSY_OIDC_NAME ?? url.host,
    redirectUri: new URL('/login/callback', publicUrl).href,
    sessionMs: config.ARGOSY_OIDC_HOURS * 3_600_000,
    membership: membershipOf(config),
  };
}

function membershipOf(config: LoginConfig): Membership {
  const { ARGOSY_OIDC_TENANTS: named, ARGOSY_OIDC_ADMIN: admin, ARGOSY_OIDC_DOMAINS: domains } = config;
  const [adminClaim = '', adminValue = ''] = admin === undefined ? [] : halvesOf(admin);
  return {
    tenantId: config.ARGOSY_OIDC_TENANT ?? null,
    tenantClaim: config.ARGOSY_OIDC_TENANT_CLAIM ?? null,
    tenants: named === undefined ? null : new Map(named.split(',').map(halvesOf)),
    admin: admin === undefined ? null : { claim: adminClaim, value: adminValue },
    domains: domains?.toLowerCase().split(',') ?? null,
  };
}

function halvesOf(pair: string): [string, string] {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** What a login cannot do without, and why. */
const needed = {
  ARGOSY_OIDC_CLIENT_ID: 'what the issuer calls this deployment',
  ARGOSY_PUBLIC_URL: 'where browsers find the console, such as https://argosy.example',
  ARGOSY_KEY_PEPPER: 'who logs in is given a key for some hours',
} as const;

/** What says nothing where no issuer is named. */
const given = ['CLIENT_ID', 'CLIENT_SECRET', 'NAME', 'TENANT', 'TENANT_CLAIM', 'TENANTS', 'ADMIN', 'DOMAINS'] as const;

function problemsOf(config: LoginConfig): Problem[] {
  const { ARGOSY_OIDC_TENANT: tenant, ARGOSY_OIDC_TENANT_CLAIM: claim } = config;
  if (config.ARGOSY_OIDC_ISSUER === undefined) {
    return given
      .map((name) => `ARGOSY_OIDC_${name}` as const)
      .filter((path) => config[path] !== undefined)
      .map((path) => ({ path, message: 'is of no use without ARGOSY_OIDC_ISSUER' }));
  }
  const missing = (Object.keys(needed) as (keyof typeof needed)[]) // keys of the table
    .filter((path) => config[path] === undefined)
    .map((path) => ({ path, message: `is required with ARGOSY_OIDC_ISSUER: ${needed[path]}` }));
  const message =
    'or ARGOSY_OIDC_TENANT_CLAIM is required with ARGOSY_OIDC_ISSUER: the tenant of those who log in, or the claim that says it';
  return [
    ...missing,
    ...(tenant === undefined && claim === undefined ? [{ path: 'ARGOSY_OIDC_TENANT', message }] : []),
    ...(config.ARGOSY_OIDC_TENANTS !== undefined && claim === undefined
      ? [
          {
            path: 'ARGOSY_OIDC_TENANTS',
            message: 'is of no use without ARGOSY_OIDC_TENANT_CLAIM, whose values it names',
          },
        ]
      : []),
  ];
}
