import { describe, expect, it } from '@jest/globals';
import { scopes, tenantScopes } from '#contracts';
import type { Membership } from './oidc-settings.ts';
import { personOf } from './people.ts';

const plain: Membership = { tenantId: 'acme', tenantClaim: null, tenants: null, admin: null, domains: null };
const byOrg: Membership = { ...plain, tenantId: null, tenantClaim: 'org' };

describe('who a person is here', () => {
  it('is a member of the one tenant, by a verified address, else by the name that they chose', () => {
    const members = scopes.filter((scope) => !scope.endsWith(':admin'));
    const claims = { sub: '1', email: 'ada@example.com', preferred_username: 'ada' };
    expect(personOf({ ...claims, email_verified: true }, plain)).toEqual({
      ...{ person: '1', name: 'ada@example.com', tenantId: 'acme', scopes: members },
    });
    expect(personOf(claims, plain).name).toBe('ada');
    expect(personOf({ sub: '1' }, plain).name).toBe('1');
  });

  it.each([
    [{ org: 'acme' }, byOrg, 'acme'],
    [{ org: ['acme'] }, byOrg, 'acme'],
    [{ org: 'acme' }, { ...byOrg, tenantId: 'other' }, 'acme'],
    [{}, { ...byOrg, tenantId: 'other' }, 'other'],
    [{ hd: 'example.com' }, { ...byOrg, tenantClaim: 'hd', tenants: new Map([['example.com', 'acme']]) }, 'acme'],
    [{ realm: { org: 'acme' } }, { ...byOrg, tenantClaim: 'realm.org' }, 'acme'],
    [{ 'https://a.example/org': 'acme' }, { ...byOrg, tenantClaim: 'https://a.example/org' }, 'acme'],
  ])('with %j is of its tenant', (claims, membership, tenantId) => {
    expect(personOf({ sub: '1', ...claims }, membership).tenantId).toBe(tenantId);
  });

  it.each([
    [{}, byOrg, /has no org/],
    [{ org: '' }, byOrg, /has no org/],
    [{ org: 7 }, byOrg, /has no org/],
    [{ org: 'Acme Ltd' }, byOrg, /says org Acme Ltd, which names none/],
    [{ org: '../acme' }, byOrg, /names none/],
    [{ org: ['acme', 'other'] }, byOrg, /names several tenants/],
    [{ org: 'acme' }, { ...byOrg, tenants: new Map([['x', 'acme']]) }, /names none/],
    [{ org: 'x' }, { ...byOrg, tenantId: 'acme', tenants: new Map() }, /names none/],
    [{}, { ...byOrg, tenantClaim: 'constructor.name' }, /has no constructor.name/],
  ])('with %j is of none, and told so', (claims, membership, words) => {
    expect(() => personOf({ sub: '1', ...claims }, membership)).toThrow(words);
  });

  it.each([
    [{ groups: ['a', 'admins'] }, true],
    [{ groups: 'admins' }, true],
    [{ groups: ['admins2'] }, false],
    [{ groups: { admins: true } }, false],
    [{}, false],
  ])('with %j administers the tenant: %s, and never the fleet', (claims, expected) => {
    const { scopes: given } = personOf(
      { sub: '1', ...claims },
      { ...plain, admin: { claim: 'groups', value: 'admins' } },
    );
    expect(given.includes('keys:admin')).toBe(expected);
    expect(given.every((scope) => tenantScopes.includes(scope))).toBe(true);
  });

  it.each([
    [{ email: 'ada@example.com', email_verified: true }, true],
    [{ email: 'ada@EXAMPLE.com', email_verified: true }, true],
    [{ email: 'ada@example.com' }, false],
    [{ email: 'ada@example.com', email_verified: 'true' }, false],
    [{ email: 'ada@example.com.evil.example', email_verified: true }, false],
    [{ email: 'example.com@evil.example', email_verified: true }, false],
    [{}, false],
  ])('with %j is of an allowed domain: %s', (claims, allowed) => {
    const ask = () => personOf({ sub: '1', ...claims }, { ...plain, domains: ['example.com'] });
    if (allowed) expect(ask().tenantId).toBe('acme');
    else expect(ask).toThrow(/verified e-mail address of example.com/);
  });

  it.each(['', '\0', 'a\nb', 'x'.repeat(256), 'é'])('has a subject, which %j is not', (sub) => {
    expect(() => personOf({ sub }, plain)).toThrow(/subject/);
  });
});
