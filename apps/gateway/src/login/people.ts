import { type Scope, scopes, tenantScopes } from '#contracts';
import { Refusal } from '../access/refusal.ts';
import type { Membership } from './oidc-settings.ts';

/** What an ID token says, after it was verified. */
export type Claims = Readonly<Record<string, unknown>> & { readonly sub: string };

/** Somebody whom the issuer vouches for, as this deployment sees them. */
export interface Person {
  readonly person: string;
  /** For people to read. */
  readonly name: string;
  readonly tenantId: string;
  readonly scopes: readonly Scope[];
}

/** What ids of tenants look like. */
const tenantForm = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** OpenID Connect Core 1.0, 2: at most 255 of ASCII. */
const subjectForm = /^[\x20-\x7e]{1,255}$/;

const memberScopes: readonly Scope[] = scopes.filter((scope) => !scope.endsWith(':admin'));

/** The issuer let somebody in, or did not, and they are not let in here. */
export function loginRefused(message: string, options?: ErrorOptions): Refusal {
  return new Refusal(message, { status: 403, code: 'login_refused' }, options);
}

/**
 * Who a person is here. Pure; that there is such a tenant, the record says.
 * @throws Refusal where nothing tells their tenant, or their e-mail address is not of an allowed domain
 */
export function personOf(claims: Claims, membership: Membership): Person {
  const { admin, domains } = membership;
  const email = typeof claims['email'] === 'string' && claims['email_verified'] === true ? claims['email'] : null;
  const name = nameOf(claims, email);
  if (domains !== null && !domains.includes(email?.split('@').at(-1)?.toLowerCase() ?? '')) {
    throw loginRefused(
      `${name} is not let in: only those with a verified e-mail address of ${domains.join(', ')} are. Log out there and come back as somebody else, or ask who runs this server.`,
    );
  }
  if (!subjectForm.test(claims.sub)) throw loginRefused(`${name} has a subject in their ID token that is none.`);
  const isAdmin = admin !== null && valuesOf(claims, admin.claim).includes(admin.value);
  return {
    person: claims.sub,
    name,
    tenantId: tenantOf(claims, membership, name),
    scopes: isAdmin ? tenantScopes : memberScopes,
  };
}

function tenantOf(claims: Claims, { tenantId, tenantClaim, tenants }: Membership, name: string): string {
  const values = tenantClaim === null ? [] : valuesOf(claims, tenantClaim);
  if (values.length === 0 && tenantId !== null) return tenantId;
  const known = values.flatMap((value) => (tenants === null ? value : (tenants.get(value) ?? [])));
  const [only] = known;
  if (only !== undefined && tenantForm.test(only) && new Set(known).size === 1) return only;
  const said = `${tenantClaim} ${shorten(values.join(', '))}, which names ${known.length > 1 ? 'several tenants' : 'none'}`;
  const what = values.length === 0 ? `has no ${tenantClaim}` : `says ${said}`;
  throw loginRefused(
    `${name} is of no tenant of this server: their ID token ${what}. Ask who runs it (ARGOSY_OIDC_TENANT_CLAIM, ARGOSY_OIDC_TENANTS).`,
  );
}

/** A claim's text, or each text of its list. A name with dots that is no claim itself leads into objects. */
function valuesOf(claims: Claims, claim: string): string[] {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : claim.split('.').reduce<unknown>(within, claims);
  return [value].flat().filter((one) => typeof one === 'string' && one !== '') as string[]; // as just filtered
}

function within(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key]; // as just seen
}

function nameOf(claims: Claims, email: string | null): string {
  const named = [email, claims['preferred_username'], claims['name']].find(
    (one) => typeof one === 'string' && one !== '',
  );
  return shorten(String(named ?? claims.sub));
}

/** Keys have names of so much, without control characters. */
function shorten(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}]/gu, '').slice(0, 100) || '(nameless)';
}
