import { ArgosyError } from '#errors';
import type { Statements } from '../store/database.ts';
import { toJsonb } from '../store/json.ts';
import type { Limits } from './limits.ts';

/** The limits that a new run is held against. */
export type Quota = Pick<Limits, 'concurrent_runs' | 'tokens_per_day' | 'usd_per_day'>;

/** A tenant has all that it may have; nothing that was accepted is affected. */
export class QuotaExceeded extends ArgosyError {
  override readonly name = 'QuotaExceeded';
  readonly code = 'quota_exceeded';
  readonly retryable = true;
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

const dayMs = 86_400_000;

/** After so long another run may have ended. */
const runMs = 10_000;

/** What a new run is held against; null where that is nothing. */
export function quotaOf(quota: Quota | null): Quota | null {
  if (quota === null) return null;
  const { concurrent_runs, tokens_per_day, usd_per_day } = quota;
  if (concurrent_runs === null && tokens_per_day === null && usd_per_day === null) return null;
  return { concurrent_runs, tokens_per_day, usd_per_day };
}

/** Why a run was not accepted; null: there is room again. @param nowMs since 1970 */
export async function refusalFor(
  database: Statements,
  tenantId: string,
  quota: Quota,
  nowMs: number,
): Promise<QuotaExceeded | null> {
  const { rows } = await database.query<{ reached: keyof Quota | null }>(
    'SELECT argosy.limit_reached($1, $2::jsonb) AS reached',
    [tenantId, toJsonb(quotaOf(quota))],
  );
  switch (rows[0]?.reached) {
    case 'tokens_per_day':
      return new QuotaExceeded(`Runs of today may spend ${quota.tokens_per_day} tokens${spent}`, tomorrow(nowMs));
    case 'usd_per_day':
      return new QuotaExceeded(`Runs of today may spend ${quota.usd_per_day} USD${spent}`, tomorrow(nowMs));
    case 'concurrent_runs':
      return new QuotaExceeded(
        `${quota.concurrent_runs} runs may be under way at the same time, and are; wait for one to end, or cancel one.`,
        runMs,
      );
    default:
      return null;
  }
}

const spent = ', and have, with the budgets of those under way; the next day begins at midnight UTC.';

function tomorrow(nowMs: number): number {
  return dayMs - (nowMs % dayMs);
}
