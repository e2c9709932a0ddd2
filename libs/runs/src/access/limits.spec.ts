import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { claimsOf, limitsFor, parseLimits } from './limits.ts';

describe('parseLimits', () => {
  it('changes what is named and leaves the rest as it is', () => {
    expect(parseLimits()).toMatchObject({ requests_per_minute: 6_000, concurrent_runs: 1_000, usd_per_day: null });
    expect(parseLimits('usd_per_day=12.5,requests_per_minute=none')).toEqual({
      ...parseLimits(),
      usd_per_day: 12.5,
      requests_per_minute: null,
    });
  });

  it.each([
    'moons=1',
    'concurrent_runs',
    'concurrent_runs=',
    'concurrent_runs=-1',
    'concurrent_runs=1.5',
    'a=b,c=d',
    ',',
  ])('refuses %j and names what there is', (text) => {
    expect(() => parseLimits(text)).toThrow(InvalidInput);
    expect(() => parseLimits(text)).toThrow(/^ARGOSY_LIMITS: .* known: requests_per_minute, key_requests_per_minute,/);
  });
});

describe('limitsFor', () => {
  const deployment = parseLimits('tokens_per_day=1000');

  it('is the deployment`s where the tenant has none of its own', () => {
    for (const settings of [null, undefined, {}, { concurrent_runs: null }, { concurrent_runs: 'x', moons: 1 }]) {
      expect(limitsFor(deployment, settings)).toEqual(deployment);
    }
  });

  it('is the tenant`s own, up or down, and gives no key more than its tenant', () => {
    const own = { requests_per_minute: 60, concurrent_runs: 0, tokens_per_day: 5_000, usd_per_day: 1 };
    expect(limitsFor(deployment, own)).toEqual({ ...own, key_requests_per_minute: 60 });
  });
});

describe('claimsOf', () => {
  it('counts a request for its key and for its tenant, ten seconds` worth at once', () => {
    expect(claimsOf(parseLimits('key_requests_per_minute=6'), 't', 'k')).toEqual([
      { key: 'key k', rule: { perSecond: 0.1, burst: 1 } },
      { key: 'tenant t', rule: { perSecond: 100, burst: 1_000 } },
    ]);
    expect(claimsOf(parseLimits('key_requests_per_minute=none,requests_per_minute=none'), 't', 'k')).toEqual([]);
  });
});
