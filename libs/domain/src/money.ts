/** Money in whole billionths of a USD: what calls cost, and by which prices. */
import type { ModelUsage } from './usage.ts';

/** Money per million tokens. */
export interface Prices {
  readonly promptUsd: number;
  readonly cachedUsd: number;
  readonly completionUsd: number;
}

/** What calls cost. */
interface Tariff {
  /** Null when nobody configured prices; a run with a budget in money is refused then. */
  readonly prices: Prices | null;
  /** Price of one call by tool, in USD; a tool that is not named is free. */
  readonly toolUsd?: Readonly<Record<string, number>>;
}

/** What calls cost from some instant on. */
export interface PriceChange extends Tariff {
  /** ISO instant. */
  readonly from: string;
}

/** What the calls of a run cost. */
export interface Pricing extends Tariff {
  /** Prices that were known at the acceptance to come into force later, in order of time; each replaces all before it. */
  readonly priceChanges?: readonly PriceChange[];
}

const nanosInUsd = 1e9;

/** Rounded to the nearest billionth, once. */
export function toNanoUsd(usd: number): number {
  return Math.round(usd * nanosInUsd);
}

/** For people and budgets; sums are made of the whole numbers. */
export function toUsd(nanoUsd: number): number {
  return nanoUsd / nanosInUsd;
}

/**
 * What a model call costs. Prices per million tokens are billionths of a USD per thousandth of a token: the products are
 * whole, above 2^53 for a long prompt of a dear model, and rounded once.
 */
export function nanoUsdOf({ promptTokens, cachedTokens, completionTokens }: ModelUsage, prices: Prices): number {
  const cost =
    times(promptTokens - cachedTokens, prices.promptUsd) +
    times(cachedTokens, prices.cachedUsd) +
    times(completionTokens, prices.completionUsd);
  return Number((cost + 500_000n) / 1_000_000n);
}

function times(tokens: number, usdPerMillion: number): bigint {
  return BigInt(Math.max(0, Math.round(tokens))) * BigInt(toNanoUsd(usdPerMillion));
}

/** What is in force at an instant. @param at ISO instant; undefined in events of earlier releases: that of the acceptance */
export function pricesAt(
  { prices, toolUsd = {}, priceChanges = [] }: Pricing,
  at: string | undefined,
): Required<Tariff> {
  const latest = at === undefined ? undefined : priceChanges.findLast(({ from }) => Date.parse(from) <= Date.parse(at));
  return latest === undefined ? { prices, toolUsd } : { prices: latest.prices, toolUsd: latest.toolUsd ?? {} };
}

/** Of each kind of token the dearest price that may come to be in force: what budgets are planned by. */
export function dearestPrices({ prices, priceChanges = [] }: Pricing): Prices | null {
  return priceChanges.reduce((dearest, change) => dearer(dearest, change), prices);
}

function dearer(a: Prices | null, { prices: b }: PriceChange): Prices | null {
  if (a === null || b === null) return a ?? b;
  return {
    promptUsd: Math.max(a.promptUsd, b.promptUsd),
    cachedUsd: Math.max(a.cachedUsd, b.cachedUsd),
    completionUsd: Math.max(a.completionUsd, b.completionUsd),
  };
}

/** Of each tool the dearest fee that may come to be in force. */
export function dearestFees({ toolUsd = {}, priceChanges = [] }: Pricing): Readonly<Record<string, number>> {
  const all = [toolUsd, ...priceChanges.map((change) => change.toolUsd ?? {})].flatMap((fees) => Object.entries(fees));
  return Object.fromEntries(all.toSorted(([, a], [, b]) => a - b));
}

/** What something cost: a call, a step, a run so far. */
export interface Cost {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Billionths of a USD: whole, so that steps add up to their run to the last one. */
  readonly nanoUsd: number;
  /** Of these, the fees of tools. */
  readonly feesNanoUsd: number;
  /** Time of GPUs, in ms; absent where no server has said. */
  readonly gpuMs?: number;
}

/** What was spent between two states of a run. The costs of all its steps add up to what it has spent. */
export function costBetween(before: Cost, after: Cost): Cost {
  const { gpuMs } = after;
  return {
    promptTokens: after.promptTokens - before.promptTokens,
    cachedTokens: after.cachedTokens - before.cachedTokens,
    completionTokens: after.completionTokens - before.completionTokens,
    nanoUsd: after.nanoUsd - before.nanoUsd,
    feesNanoUsd: after.feesNanoUsd - before.feesNanoUsd,
    ...(gpuMs === undefined || gpuMs === before.gpuMs ? {} : { gpuMs: gpuMs - (before.gpuMs ?? 0) }),
  };
}
