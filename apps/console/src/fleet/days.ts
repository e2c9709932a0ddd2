import type { FleetResource } from '../libs.ts';

type TenantDay = FleetResource['spending'][number];

/** What is stacked on one day. */
export interface Day {
  readonly day: string;
  readonly total: number;
  /** By tenant, in the order of `tenants`; absent ones are 0. */
  readonly parts: readonly number[];
}

export interface Stacked {
  /** The dearest first; `others` stands for all that are not named. */
  readonly tenants: readonly string[];
  readonly days: readonly Day[];
  /** USD where anything cost any, else tokens. */
  readonly unit: 'usd' | 'tokens';
}

const mostTenants = 5;
const others = 'others';

/** Spending as stacks of the dearest tenants, one for each day up to `today`, the earliest first. */
export function stacked(spending: readonly TenantDay[], today: string, length: number): Stacked {
  const unit = spending.some(({ usd }) => usd > 0) ? 'usd' : 'tokens';
  const totals = new Map<string, number>();
  for (const part of spending) totals.set(part.tenant_id, (totals.get(part.tenant_id) ?? 0) + part[unit]);
  const ranked = [...totals].sort(([, a], [, b]) => b - a).map(([tenant]) => tenant);
  const tenants = ranked.length <= mostTenants ? ranked : [...ranked.slice(0, mostTenants - 1), others];
  const named = new Set(tenants);
  const days = Array.from({ length }, (_, index) => {
    const day = new Date(Date.parse(today) - (length - 1 - index) * 86_400_000).toISOString().slice(0, 10);
    const ofDay = spending.filter((part) => part.day === day);
    const parts = tenants.map((tenant) =>
      ofDay
        .filter(({ tenant_id: id }) => id === tenant || (tenant === others && !named.has(id)))
        .reduce((sum, part) => sum + part[unit], 0),
    );
    return { day, parts, total: parts.reduce((sum, part) => sum + part, 0) };
  });
  return { tenants, days, unit };
}
