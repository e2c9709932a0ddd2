import { createHash } from 'node:crypto';
import { ArgosyError } from '#errors';
import type { Statements } from './database.ts';
import type { RunKey } from './sweep.ts';

/** A text was offered under a hash that is not its own. */
export class HashMismatch extends ArgosyError {
  override readonly name = 'HashMismatch';
  readonly code = 'hash_mismatch';
  readonly retryable = false;
}

/**
 * Stores snapshot texts of a run by the sha256 of their UTF-8 bytes, each once for all runs of the tenant. Of a run that is
 * gone, nothing is stored.
 * @throws HashMismatch
 */
export async function putTexts(
  database: Statements,
  { tenantId, runId }: RunKey,
  texts: ReadonlyMap<string, string>,
): Promise<void> {
  if (texts.size === 0) return;
  const sizes: number[] = [];
  for (const [sha256, text] of texts) {
    const bytes = Buffer.from(text, 'utf8');
    const actual = createHash('sha256').update(bytes).digest('hex');
    if (actual !== sha256) throw new HashMismatch(`A snapshot named ${sha256} hashes to ${actual}.`);
    sizes.push(bytes.byteLength);
  }
  await database.query(
    // A run that is being removed takes the texts that only it cites: its row, and each text, is locked against that. A known
    // text is named anew for no other reason.
    `WITH run AS MATERIALIZED (
       SELECT 1 FROM argosy.runs WHERE tenant_id = $1 AND run_id = $2 FOR KEY SHARE
     ), put AS (
       INSERT INTO argosy.blobs (tenant_id, sha256, text, bytes)
       SELECT $1, t.sha256, t.text, t.bytes
       FROM run, unnest($3::text[], $4::text[], $5::int[]) AS t (sha256, text, bytes) ORDER BY t.sha256
       ON CONFLICT (tenant_id, sha256) DO UPDATE SET bytes = EXCLUDED.bytes
     )
     INSERT INTO argosy.run_texts (tenant_id, run_id, sha256)
     SELECT $1, $2, t.sha256 FROM run, unnest($3::text[]) AS t (sha256) ON CONFLICT DO NOTHING`,
    [tenantId, runId, [...texts.keys()], [...texts.values()], sizes],
  );
}

/** Stored texts by hash; a hash that is unknown is left out. */
export async function getTexts(
  database: Statements,
  tenantId: string,
  hashes: readonly string[],
): Promise<Map<string, string>> {
  if (hashes.length === 0) return new Map();
  const { rows } = await database.query<{ sha256: string; text: string }>(
    'SELECT sha256, text FROM argosy.blobs WHERE tenant_id = $1 AND sha256 = ANY ($2)',
    [tenantId, hashes],
  );
  return new Map(rows.map((row) => [row.sha256, row.text]));
}
