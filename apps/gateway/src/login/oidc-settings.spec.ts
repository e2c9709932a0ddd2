import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { readConfig } from '#platform';
import { oidcOf } from './oidc-settings.ts';

const whole = {
  ARGOSY_KEY_PEPPER: '0'.repeat(64),
  ARGOSY_PUBLIC_URL: 'https://argosy.example/',
  ARGOSY_OIDC_ISSUER: 'https://login.example/realms/acme',
  ARGOSY_OIDC_CLIENT_ID: 'argosy',
  ARGOSY_OIDC_TENANT: 'acme',
};

function faults(env: Readonly<Record<string, string>>): string[] {
  try {
    oidcOf(readConfig(env));
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    return error.problems.map(({ path }) => path);
  }
}

describe('how people log in', () => {
  it('is by keys alone where no issuer is named', () => {
    expect(oidcOf(readConfig({}))).toBeNull();
  });

  it('is read whole, with what is usual where nothing is said', () => {
    const more = {
      ARGOSY_OIDC_TENANT_CLAIM: 'hd',
      ARGOSY_OIDC_TENANTS: 'a.example=acme,b.example=b',
      ARGOSY_OIDC_ADMIN: 'g=a=b',
    };
    const domains = { ARGOSY_OIDC_DOMAINS: 'A.example,b.example' };
    expect(oidcOf(readConfig({ ...whole, ...more, ...domains }))).toEqual({
      issuer: new URL('https://login.example/realms/acme'),
      clientId: 'argosy',
      clientSecret: null,
      scopes: 'openid email profile',
      name: 'login.example',
      redirectUri: 'https://argosy.example/login/callback',
      sessionMs: 8 * 3_600_000,
      membership: {
        tenantId: 'acme',
        tenantClaim: 'hd',
        tenants: new Map([
          ['a.example', 'acme'],
          ['b.example', 'b'],
        ]),
        admin: { claim: 'g', value: 'a=b' },
        domains: ['a.example', 'b.example'],
      },
    });
  });

  it.each<[Record<string, string>, string[]]>([
    [{ ...whole, ARGOSY_KEY_PEPPER: '' }, ['ARGOSY_KEY_PEPPER']],
    [
      { ARGOSY_OIDC_ISSUER: 'https://a.example' },
      ['ARGOSY_OIDC_CLIENT_ID', 'ARGOSY_PUBLIC_URL', 'ARGOSY_KEY_PEPPER', 'ARGOSY_OIDC_TENANT'],
    ],
    [{ ...whole, ARGOSY_OIDC_TENANTS: 'a=b' }, ['ARGOSY_OIDC_TENANTS']],
    [{ ARGOSY_OIDC_CLIENT_SECRET: 'x', ARGOSY_OIDC_ADMIN: 'a=b' }, ['ARGOSY_OIDC_CLIENT_SECRET', 'ARGOSY_OIDC_ADMIN']],
    [{ ...whole, ARGOSY_OIDC_ISSUER: 'http://login.example' }, ['ARGOSY_OIDC_ISSUER']],
    [{ ...whole, ARGOSY_OIDC_ISSUER: 'http://127.0.0.1:1' }, []],
    [{ ...whole, ARGOSY_OIDC_ISSUER: 'https://a.example/.well-known/openid-configuration' }, ['ARGOSY_OIDC_ISSUER']],
    [{ ...whole, ARGOSY_OIDC_ISSUER: 'https://u:p@a.example' }, ['ARGOSY_OIDC_ISSUER']],
    [{ ...whole, ARGOSY_PUBLIC_URL: 'https://argosy.example/console' }, ['ARGOSY_PUBLIC_URL']],
    [{ ...whole, ARGOSY_OIDC_SCOPES: 'email' }, ['ARGOSY_OIDC_SCOPES']],
    [{ ...whole, ARGOSY_OIDC_HOURS: '0' }, ['ARGOSY_OIDC_HOURS']],
    [{ ...whole, ARGOSY_OIDC_ADMIN: 'admins' }, ['ARGOSY_OIDC_ADMIN']],
    [{ ...whole, ARGOSY_OIDC_DOMAINS: 'example' }, ['ARGOSY_OIDC_DOMAINS']],
  ])('is refused with every fault: %j', (env, expected) => {
    expect(faults(env)).toEqual(expected);
  });
});
