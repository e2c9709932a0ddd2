import { createHash } from 'node:crypto';
import type { CorpusFile } from '#contracts';
import type { Statements } from '../store/database.ts';
import type { Removal } from '../store/forget.ts';

export interface CorpusKey {
  readonly tenantId: string;
  readonly corpusId: string;
}

/** What clients are told of a corpus. */
export interface CorpusView {
  readonly corpusId: string;
  readonly name: string;
  readonly status: 'uploading' | 'indexing' | 'ready' | 'failed';
  readonly files: number;
  readonly bytes: number;
  /** Null until it is ready, as the next two. */
  readonly documents: number | null;
  readonly passages: number | null;
  /** Files that gave no document. */
  readonly skipped: number | null;
  /** Some of them. */
  readonly skips: readonly FileSkip[];
  readonly error: string | null;
  readonly createdAt: string;
}

export interface FileSkip {
  readonly path: string;
  readonly reason: string;
}

/** Hashes told at once of files that are to be sent. */
const mostMissing = 10_000;

/** The same name and files are the same corpus, of a tenant and nobody else. */
export function corpusIdOf(tenantId: string, name: string, files: readonly CorpusFile[]): string {
  const sorted = files.map(({ path, sha256, bytes }) => [path, sha256, bytes] as const).toSorted(byPath);
  const identity = JSON.stringify([tenantId, name, sorted]);
  return `c_${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`;
}

function byPath([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number {
  return a < b ? -1 : 1;
}

/** Writes a corpus with its files in one statement; a known one is left as it is. */
export async function addCorpus(
  database: Statements,
  { tenantId, corpusId }: CorpusKey,
  name: string,
  files: readonly CorpusFile[],
): Promise<void> {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const paths = files.map(({ path }) => path);
  const hashes = files.map(({ sha256 }) => sha256);
  const sizes = files.map(({ bytes }) => bytes);
  await database.query(
    `WITH here AS MATERIALIZED (
       -- Against their removal with another corpus that names them.
       SELECT sha256 FROM argosy.files WHERE tenant_id = $1 AND sha256 = ANY ($7) ORDER BY sha256 FOR KEY SHARE
     ), made AS (
       INSERT INTO argosy.corpora (tenant_id, corpus_id, name, files, bytes)
       SELECT $1, $2, $3, $4, $5 FROM (SELECT count(*) FROM here) AS locked
       ON CONFLICT DO NOTHING RETURNING tenant_id, corpus_id
     )
     INSERT INTO argosy.corpus_files (tenant_id, corpus_id, path, sha256, bytes)
     SELECT made.tenant_id, made.corpus_id, f.path, f.sha256, f.bytes
     FROM made, unnest($6::text[], $7::text[], $8::int[]) AS f (path, sha256, bytes)`,
    [tenantId, corpusId, name, files.length, total, paths, hashes, sizes],
  );
}

const isMissing = `NOT EXISTS (
  SELECT 1 FROM argosy.files a WHERE a.tenant_id = f.tenant_id AND a.sha256 = f.sha256)`;

/** Hashes of files that are still to be sent, at most 10,000. */
export async function missingFiles(database: Statements, { tenantId, corpusId }: CorpusKey): Promise<string[]> {
  const { rows } = await database.query<{ sha256: string }>(
    `SELECT DISTINCT f.sha256 FROM argosy.corpus_files f
     WHERE f.tenant_id = $1 AND f.corpus_id = $2 AND ${isMissing} ORDER BY f.sha256 LIMIT ${mostMissing}`,
    [tenantId, corpusId],
  );
  return rows.map(({ sha256 }) => sha256);
}

/** What the tenant's corpora say of a file: its size, and whether it is here. Null when none of them has it. */
export async function findFile(
  database: Statements,
  tenantId: string,
  sha256: string,
): Promise<{ bytes: number; stored: boolean } | null> {
  const { rows } = await database.query<{ bytes: number; stored: boolean }>(
    `SELECT f.bytes, NOT ${isMissing} AS stored FROM argosy.corpus_files f
     WHERE f.tenant_id = $1 AND f.sha256 = $2 ORDER BY f.bytes DESC LIMIT 1`,
    [tenantId, sha256],
  );
  return rows[0] ?? null;
}

const columns = `corpus_id AS "corpusId", name, state AS status, files, bytes, documents, passages, skipped, skips, error,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt"`;

export async function getCorpus(database: Statements, { tenantId, corpusId }: CorpusKey): Promise<CorpusView | null> {
  const sql = `SELECT ${columns} FROM argosy.corpora WHERE tenant_id = $1 AND corpus_id = $2`;
  return (await database.query<CorpusView>(sql, [tenantId, corpusId])).rows[0] ?? null;
}

/** Newest first. @param before id of the last one of the page before */
export async function listCorpora(
  database: Statements,
  tenantId: string,
  before: string | null,
  limit: number,
): Promise<CorpusView[]> {
  const { rows } = await database.query<CorpusView>(
    `SELECT ${columns} FROM argosy.corpora c
     WHERE tenant_id = $1 AND ($2::text IS NULL OR (created_at, corpus_id) < (
       SELECT created_at, corpus_id FROM argosy.corpora WHERE tenant_id = $1 AND corpus_id = $2))
     ORDER BY c.created_at DESC, corpus_id DESC LIMIT $3::int`,
    [tenantId, before, limit],
  );
  return [...rows];
}

/**
 * Has a corpus indexed whose files are all here, also one that failed before. The caller rings.
 * @returns the number of the ring, or null when there is nothing to do
 */
export async function beginIndexing(database: Statements, { tenantId, corpusId }: CorpusKey): Promise<number | null> {
  const { rows } = await database.query<{ rings: number }>(
    `UPDATE argosy.corpora c SET
       state = 'indexing', worker_id = NULL, lost = 0, error = NULL, rings = rings + 1, rung_at = now()
     WHERE tenant_id = $1 AND corpus_id = $2 AND state IN ('uploading', 'failed') AND NOT EXISTS (
       SELECT 1 FROM argosy.corpus_files f
       WHERE f.tenant_id = c.tenant_id AND f.corpus_id = c.corpus_id AND ${isMissing})
     RETURNING rings`,
    [tenantId, corpusId],
  );
  return rows[0]?.rings ?? null;
}

/** Why corpora cannot be searched, by id. One that is only being built anew for another release can, soon. */
export async function corpusFaults(
  database: Statements,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await database.query<Pick<CorpusView, 'corpusId' | 'status' | 'error' | 'documents'>>(
    `SELECT corpus_id AS "corpusId", state AS status, error, documents FROM argosy.corpora
     WHERE tenant_id = $1 AND corpus_id = ANY ($2)`,
    [tenantId, ids],
  );
  const known = new Map(rows.map((row) => [row.corpusId, row]));
  const faults = new Map<string, string>();
  for (const id of ids) {
    const corpus = known.get(id);
    if (corpus === undefined) faults.set(id, `there is no corpus ${id}`);
    else if (corpus.status === 'failed') faults.set(id, `the corpus ${id} could not be indexed: ${corpus.error}`);
    else if (corpus.documents === null)
      faults.set(id, `the corpus ${id} is still ${corpus.status}; ask again when it is ready`);
  }
  return faults;
}

/** @returns false where there is no such corpus */
export async function forgetCorpus(
  database: Statements,
  { tenantId, corpusId, actor }: CorpusKey & Removal,
): Promise<boolean> {
  const { changed } = await database.query(
    `WITH gone AS MATERIALIZED (SELECT argosy.forget_corpus($1, $2) AS found)
     INSERT INTO argosy.audit_log (tenant_id, actor, action, subject) SELECT $1, $3, 'corpus.deleted', $2 FROM gone WHERE found`,
    [tenantId, corpusId, actor],
  );
  return changed > 0;
}

/** Those of these corpora that there are, of whichever tenant. */
export async function knownCorpora(database: Statements, ids: readonly string[]): Promise<Set<string>> {
  const sql = 'SELECT corpus_id FROM argosy.corpora WHERE corpus_id = ANY ($1)';
  return new Set((await database.query<{ corpus_id: string }>(sql, [ids])).rows.map((row) => row.corpus_id));
}
