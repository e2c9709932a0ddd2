/** Prices with dates, and what of them a run is accepted with. */
import type { Prices, Pricing } from './money.ts';

/** Something that holds from an instant on, until the next. */
export interface Dated<T> {
  /** ISO instant; null: since always. */
  readonly from: string | null;
  readonly value: T;
}

/** USD of one call by tool. */
type Fees = Readonly<Record<string, number>>;

/**
 * Reads `VALUE;2026-07-01:VALUE;...`: what has held since always, then what holds from the beginning of a UTC day on, in
 * any order. The configuration has checked its form.
 */
export function datedOf<T>(text: string, parse: (text: string) => T): Dated<T>[] {
  const all = text.split(';').map((part): Dated<T> => {
    const [, day, value = ''] = /^\s*(?:(\d{4}-\d{2}-\d{2}):)?(.*?)\s*$/s.exec(part) ?? [];
    return { from: day === undefined ? null : `${day}T00:00:00.000Z`, value: parse(value) };
  });
  return all.toSorted((a, b) => (a.from ?? '').localeCompare(b.from ?? ''));
}

/**
 * What a run that is accepted now is charged by: what is in force, and what will be from instants on that are known already.
 * Whatever is decided later does not change what it was accepted for.
 */
export function pricesFrom(models: readonly Dated<Prices | null>[], tools: readonly Dated<Fees>[], now: Date): Pricing {
  const at = now.toISOString();
  const later = [...models, ...tools].flatMap(({ from }) => (from !== null && from > at ? [from] : []));
  const priceChanges = [...new Set(later)].sort().map((from) => ({ from, ...inForce(models, tools, from) }));
  return { ...inForce(models, tools, at), ...(priceChanges.length === 0 ? {} : { priceChanges }) };
}

function inForce(models: readonly Dated<Prices | null>[], tools: readonly Dated<Fees>[], at: string) {
  const toolUsd = latest(tools, at);
  return { prices: latest(models, at) ?? null, ...(toolUsd === undefined ? {} : { toolUsd }) };
}

function latest<T>(all: readonly Dated<T>[], at: string): T | undefined {
  return all.findLast(({ from }) => from === null || from <= at)?.value;
}
