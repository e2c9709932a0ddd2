import type { Statements } from '../store/database.ts';
import { storable } from '../store/json.ts';

/** Names a thing that was looked up, or is. */
export interface EntryKey {
  /** Whose it is; empty for what is public. */
  readonly tenantId: string;
  readonly hash: string;
  /** As it was given, for people to read. */
  readonly key: string;
}

/** Which entries would do: those made since they were asked for, and those that are fresh and not yet expired. */
export interface Reach {
  /** How long ago the first of those who wait asked. */
  readonly elapsedMs: number;
  /** Age of the oldest entry that one of them would take. */
  readonly freshMs: number;
}

export interface Entry {
  readonly value: Uint8Array;
  readonly madeAt: Date;
  readonly ageMs: number;
  readonly expired: boolean;
}

/** Characters of a key that are kept for people. */
const shownChars = 500;

const within = (milliseconds: string): string => `now() - ${milliseconds}::float8 * interval '1 ms'`;

/** Says of a row `e` whether it would do. */
const wouldDo = (elapsed: string, fresh: string): string =>
  `(e.value IS NOT NULL AND (e.made_at >= ${within(elapsed)} OR (e.expires_at > now() AND e.made_at >= ${within(fresh)})))`;

/** Finds an entry that would do. */
export async function findEntry(
  database: Statements,
  { tenantId, hash }: EntryKey,
  reach: Reach,
): Promise<Entry | null> {
  const { rows } = await database.query<Entry>(
    `SELECT value, made_at AS "madeAt", expires_at <= now() AS expired,
       (extract(epoch FROM now() - made_at) * 1000)::float8 AS "ageMs"
     FROM argosy.evidence e WHERE tenant_id = $1 AND key_hash = $2 AND ${wouldDo('$3', '$4')}`,
    [tenantId, hash, reach.elapsedMs, reach.freshMs],
  );
  return rows[0] ?? null;
}

/** One making of an entry, for as long as its lease is renewed. */
export interface EntryClaim extends EntryKey {
  readonly claimId: string;
}

/** Times of a claim, in milliseconds. */
export interface ClaimTimes {
  /** A maker that is silent for this long is taken for dead. */
  readonly leaseMs: number;
  /** How often those who wait look without having been told to. */
  readonly pollMs: number;
}

/**
 * Takes the making of an entry, unless one that would do has come or somebody living makes it; in that case it is noted
 * that the entry is waited for.
 */
export async function claimEntry(
  database: Statements,
  { tenantId, hash, key, claimId }: EntryClaim,
  reach: Reach,
  { leaseMs, pollMs }: ClaimTimes,
): Promise<'mine' | 'taken' | 'there'> {
  const free = '(e.claim_id IS NULL OR e.claimed_until <= now())';
  const { rows } = await database.query<{ mine: boolean }>(
    `INSERT INTO argosy.evidence AS e (tenant_id, key_hash, key, claim_id, claimed_until, expires_at)
     VALUES ($1, $2, $3, $4, now() + $7::float8 * interval '1 ms', now() + $7::float8 * interval '1 ms')
     ON CONFLICT (tenant_id, key_hash) DO UPDATE SET
       claim_id = CASE WHEN ${free} THEN EXCLUDED.claim_id ELSE e.claim_id END,
       claimed_until = CASE WHEN ${free} THEN EXCLUDED.claimed_until ELSE e.claimed_until END,
       wanted_until = CASE WHEN ${free} THEN NULL ELSE now() + $8::float8 * interval '1 ms' END
     WHERE NOT ${wouldDo('$5', '$6')}
     RETURNING claim_id = $4 AS mine`,
    // Whoever waits says so again with each look; two that are late are forgiven.
    [tenantId, hash, storable(key.slice(0, shownChars)), claimId, reach.elapsedMs, reach.freshMs, leaseMs, 3 * pollMs],
  );
  const [row] = rows;
  if (row === undefined) return 'there';
  return row.mine ? 'mine' : 'taken';
}

/** Says that the maker lives. @returns whether another process waits for the entry; false when the claim was lost */
export async function renewClaim(database: Statements, claim: EntryClaim, leaseMs: number): Promise<boolean> {
  const { rows } = await database.query<{ wanted: boolean }>(
    `UPDATE argosy.evidence SET claimed_until = now() + $4::float8 * interval '1 ms'
     WHERE tenant_id = $1 AND key_hash = $2 AND claim_id = $3
     RETURNING coalesce(wanted_until > now(), false) AS wanted`,
    [claim.tenantId, claim.hash, claim.claimId, leaseMs],
  );
  return rows[0]?.wanted ?? false;
}

/**
 * Stores what was made and ends the claim. What is not to be kept is stored for those who wait for it elsewhere, and no
 * longer than they need to find it. @returns when it was made; null when the claim was lost, and nothing was stored
 */
export async function settleEntry(
  database: Statements,
  claim: EntryClaim,
  value: Uint8Array,
  keepMs: number,
): Promise<Date | null> {
  const { rows } = await database.query<{ madeAt: Date }>(
    `UPDATE argosy.evidence SET
       value = CASE WHEN $5::float8 > 0 OR wanted_until > now() THEN $4::bytea END,
       bytes = CASE WHEN $5::float8 > 0 OR wanted_until > now() THEN length($4::bytea) ELSE 0 END,
       made_at = now(), expires_at = now() + $5::float8 * interval '1 ms',
       claim_id = NULL, claimed_until = NULL, wanted_until = NULL
     WHERE tenant_id = $1 AND key_hash = $2 AND claim_id = $3 RETURNING made_at AS "madeAt"`,
    [claim.tenantId, claim.hash, claim.claimId, value, keepMs],
  );
  return rows[0]?.madeAt ?? null;
}

/** Ends a claim without a value; an older value stays for those who take it. */
export async function releaseEntry(database: Statements, claim: EntryClaim): Promise<void> {
  await database.query(
    `UPDATE argosy.evidence SET claim_id = NULL, claimed_until = NULL, wanted_until = NULL,
       expires_at = CASE WHEN value IS NULL THEN now() ELSE expires_at END
     WHERE tenant_id = $1 AND key_hash = $2 AND claim_id = $3`,
    [claim.tenantId, claim.hash, claim.claimId],
  );
}

/** Only for a store that one process holds alone: whoever had claims before is certainly gone. */
export async function endAllClaims(database: Statements): Promise<void> {
  await database.query(
    `UPDATE argosy.evidence SET claim_id = NULL, claimed_until = NULL, wanted_until = NULL WHERE claim_id IS NOT NULL`,
  );
}
