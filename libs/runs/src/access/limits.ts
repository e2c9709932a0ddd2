import { InvalidInput, type Problem } from '#errors';
import type { RateClaim, RateRule } from './rates.ts';

/** What a tenant may use; null: as much as it likes. */
export interface Limits {
  /** Of all keys of the tenant together, and of each of them. */
  readonly requests_per_minute: number | null;
  readonly key_requests_per_minute: number | null;
  /** Runs that have not ended, at the same time. */
  readonly concurrent_runs: number | null;
  /** Of all model calls of the runs that were accepted on one UTC day. */
  readonly tokens_per_day: number | null;
  readonly usd_per_day: number | null;
}

/** What holds where neither the deployment nor the tenant says anything. */
const usual: Limits = {
  requests_per_minute: 6_000,
  key_requests_per_minute: 3_000,
  concurrent_runs: 1_000,
  tokens_per_day: null,
  usd_per_day: null,
};

/** Keys of the limits, in the order in which they are told. */
const names = Object.keys(usual) as (keyof Limits)[];

/**
 * Reads `ARGOSY_LIMITS`, such as `concurrent_runs=50,usd_per_day=20,requests_per_minute=none`.
 * @throws InvalidInput listing every fault
 */
export function parseLimits(text = ''): Limits {
  const problems: Problem[] = [];
  const named = text === '' ? [] : text.split(',').map((pair) => readPair(pair, problems));
  if (problems.length > 0) throw new InvalidInput(problems);
  return { ...usual, ...Object.fromEntries(named) };
}

function readPair(pair: string, problems: Problem[]): readonly [string, number | null] {
  const [, name = '', value = ''] = /^(\w+)=(\d{1,12}(?:\.\d{1,6})?|none)$/.exec(pair) ?? [];
  const isKnown = names.includes(name as keyof Limits); // what is asked here
  const fits = isKnown && (name === 'usd_per_day' || !value.includes('.'));
  if (!fits) {
    const message = `${JSON.stringify(pair)} is no limit such as concurrent_runs=50 or usd_per_day=none; known: ${names.join(', ')}`;
    problems.push({ path: 'ARGOSY_LIMITS', message });
  }
  return [name, value === 'none' ? null : Number(value)];
}

/** What holds for a tenant: what its settings say, else the deployment. No key is given more than its tenant. */
export function limitsFor(deployment: Limits, settings: unknown): Limits {
  const own = (settings ?? {}) as Readonly<Record<string, unknown>>; // each value is looked at below
  const of = (name: keyof Limits): number | null => {
    const value = own[name];
    return typeof value === 'number' && value >= 0 ? value : deployment[name];
  };
  const requests = of('requests_per_minute');
  const perKey = deployment.key_requests_per_minute;
  return {
    requests_per_minute: requests,
    key_requests_per_minute: requests === null || perKey === null ? perKey : Math.min(perKey, requests),
    concurrent_runs: of('concurrent_runs'),
    tokens_per_day: of('tokens_per_day'),
    usd_per_day: of('usd_per_day'),
  };
}

/** Whom a request of this key counts for. */
export function claimsOf(limits: Limits, tenantId: string, keyId: string): RateClaim[] {
  const { requests_per_minute: tenants, key_requests_per_minute: keys } = limits;
  return [
    ...(keys === null ? [] : [{ key: `key ${keyId}`, rule: ruleOf(keys) }]),
    ...(tenants === null ? [] : [{ key: `tenant ${tenantId}`, rule: ruleOf(tenants) }]),
  ];
}

/** As many as come in ten seconds may come at once. Nothing at all is one in three years. */
function ruleOf(perMinute: number): RateRule {
  return { perSecond: Math.max(perMinute / 60, 1e-8), burst: Math.max(1, Math.ceil(perMinute / 6)) };
}
