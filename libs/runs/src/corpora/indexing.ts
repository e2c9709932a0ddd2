import type { Statements } from '../store/database.ts';
import type { CorpusKey, FileSkip } from './records.ts';

/** A corpus in the hands of one tool worker, which is to make its index. */
export interface CorpusClaim extends CorpusKey {
  readonly name: string;
  readonly workerId: string;
  /** Grows by one with every claim; whatever is written for an earlier one matches no row. */
  readonly attempt: number;
}

/** A corpus that killed this many workers, or made them fail, is not begun again. */
const mostLost = 3;

/** The attempt under way counts, too, when its worker is gone. */
const lostByNow = 'c.lost + (c.worker_id IS NOT NULL)::int';

const ownerIsGone = `NOT EXISTS (
  SELECT 1 FROM argosy.workers w WHERE w.worker_id = c.worker_id AND w.lease_until > now())`;

/** Parameters 1 to 4 of every statement that a claim's owner alone may have effect with. */
const owned = `c.tenant_id = $1 AND c.corpus_id = $2 AND c.worker_id = $3 AND c.attempt = $4 AND c.state = 'indexing'`;

function fence({ tenantId, corpusId, workerId, attempt }: CorpusClaim): unknown[] {
  return [tenantId, corpusId, workerId, attempt];
}

/**
 * Takes a corpus that nobody alive is indexing, for a worker whose own lease is alive.
 * @returns null when there is nothing to take
 */
export async function claimCorpus(database: Statements, key: CorpusKey, workerId: string): Promise<CorpusClaim | null> {
  const { rows } = await database.query<{ name: string; attempt: number }>(
    `WITH free AS MATERIALIZED (
       SELECT tenant_id, corpus_id, attempt, ${lostByNow} AS lost FROM argosy.corpora c
       WHERE tenant_id = $1 AND corpus_id = $2 AND state = 'indexing' AND ${ownerIsGone} AND ${lostByNow} < ${mostLost}
         AND EXISTS (SELECT 1 FROM argosy.workers w WHERE w.worker_id = $3 AND w.lease_until > now())
     )
     UPDATE argosy.corpora c SET attempt = c.attempt + 1, worker_id = $3, lost = free.lost, started_at = now()
     FROM free WHERE c.tenant_id = free.tenant_id AND c.corpus_id = free.corpus_id
       -- Whoever waited for the row does not look at the leases again: the attempt tells that it was taken.
       AND c.attempt = free.attempt AND c.state = 'indexing'
     RETURNING c.name, c.attempt`,
    [key.tenantId, key.corpusId, workerId],
  );
  const [row] = rows;
  return row === undefined ? null : { ...key, workerId, ...row };
}

/** An index that was built and stored. */
export interface StoredSegment {
  readonly contentId: string;
  readonly sha256: string;
  /** Which releases can read it: those that make the same. */
  readonly format: number;
  readonly documents: number;
  readonly passages: number;
  readonly skipped: number;
  readonly skips: readonly FileSkip[];
}

/** Makes a corpus ready. @returns false when the claim holds no more, or the segment was swept */
export async function keepSegment(database: Statements, claim: CorpusClaim, segment: StoredSegment): Promise<boolean> {
  const { contentId, sha256, format, documents, passages, skipped, skips } = segment;
  const { rows } = await database.query(
    `WITH settled AS (
       UPDATE argosy.contents s SET settled = true FROM argosy.corpora c
       WHERE ${owned} AND s.tenant_id = $1 AND s.content_id = $5 RETURNING s.content_id
     )
     UPDATE argosy.corpora c SET
       state = 'ready', worker_id = NULL, error = NULL, ready_at = now(), segment_id = settled.content_id,
       segment_sha256 = $6, format = $7, documents = $8, passages = $9, skipped = $10, skips = $11::jsonb
     FROM settled WHERE ${owned} RETURNING 1`,
    [...fence(claim), contentId, sha256, format, documents, passages, skipped, JSON.stringify(skips)],
  );
  return rows.length === 1;
}

/** Ends a corpus that cannot be indexed; offering it again tries again. */
export async function failCorpus(database: Statements, claim: CorpusClaim, error: string): Promise<void> {
  await database.query(`UPDATE argosy.corpora c SET state = 'failed', worker_id = NULL, error = $5 WHERE ${owned}`, [
    ...fence(claim),
    error,
  ]);
}

/** Gives a claim back: at once to the next worker, or, with a fault, later and counted. */
export async function releaseCorpus(database: Statements, claim: CorpusClaim, fault: string | null): Promise<void> {
  await database.query(
    `UPDATE argosy.corpora c SET worker_id = NULL, lost = c.lost + ($5::text IS NOT NULL)::int,
       error = coalesce($5::text, c.error), rung_at = CASE WHEN $5::text IS NULL THEN NULL ELSE now() END
     WHERE ${owned}`,
    [...fence(claim), fault],
  );
}

/** A corpus that is to be rung for. */
export interface DueCorpus extends CorpusKey {
  /** Number of the ring; makes its key new. */
  readonly rings: number;
}

/** Ends corpora that keep losing their workers. */
export async function failHopeless(database: Statements): Promise<void> {
  await database.query(
    `UPDATE argosy.corpora c SET state = 'failed', worker_id = NULL,
       error = 'Indexing was begun ${mostLost} times, and each time its worker died or failed.'
         || coalesce(' The last fault was: ' || c.error, '')
     WHERE state = 'indexing' AND ${ownerIsGone} AND ${lostByNow} >= ${mostLost}`,
  );
}

/** Counts a ring for every corpus that should be indexed and is not. The caller rings. Safe to run twice at once. */
export async function takeStrandedCorpora(database: Statements, relookMs: number): Promise<DueCorpus[]> {
  const { rows } = await database.query<DueCorpus>(
    `UPDATE argosy.corpora c SET rings = rings + 1, rung_at = now()
     WHERE state = 'indexing' AND ${ownerIsGone}
       AND (rung_at IS NULL OR rung_at < now() - $1 * interval '1 ms' OR (worker_id IS NOT NULL AND rung_at < started_at))
     RETURNING tenant_id AS "tenantId", corpus_id AS "corpusId", rings`,
    [relookMs],
  );
  return [...rows];
}

/** Where a corpus's index lies. */
export interface SegmentPlace {
  readonly status: 'uploading' | 'indexing' | 'ready' | 'failed';
  readonly contentId: string;
  readonly sha256: string;
  readonly format: number;
}

export async function findSegment(database: Statements, key: CorpusKey): Promise<SegmentPlace | null> {
  const { rows } = await database.query<SegmentPlace>(
    `SELECT state AS status, segment_id AS "contentId", segment_sha256 AS sha256, format FROM argosy.corpora
     WHERE tenant_id = $1 AND corpus_id = $2`,
    [key.tenantId, key.corpusId],
  );
  return rows[0] ?? null;
}

/**
 * Has an index of another release built anew; the old one stays for an hour, for those who are fetching it.
 * @returns the number of the ring, or null when somebody else did
 */
export async function rebuildSegment(database: Statements, key: CorpusKey, contentId: string): Promise<number | null> {
  const { rows } = await database.query<{ rings: number }>(
    `WITH again AS (
       UPDATE argosy.corpora SET state = 'indexing', segment_id = NULL, lost = 0, rings = rings + 1, rung_at = now()
       WHERE tenant_id = $1 AND corpus_id = $2 AND state = 'ready' AND segment_id = $3 RETURNING rings
     ), loose AS (
       UPDATE argosy.contents SET settled = false, created_at = now()
       WHERE tenant_id = $1 AND content_id = $3 AND EXISTS (SELECT 1 FROM again)
     )
     SELECT rings FROM again`,
    [key.tenantId, key.corpusId, contentId],
  );
  return rows[0]?.rings ?? null;
}
