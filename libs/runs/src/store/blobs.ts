import { createHash } from 'node:crypto';
import { ArgosyError } from '#errors';
import type { Statements } from './database.ts';

/** A text was offered under a hash that is not its own. */
export class HashMismatch extends ArgosyError {
  override readonly name = 'HashMismatch';
  readonly code = 'hash_mismatch';
  readonly retryable = false;
}

/**
 * Stores snapshot texts by the sha256 of their UTF-8 bytes; known ones cost nothing.
 * @throws HashMismatch
 */
export async function putTexts(
  database: Statements,
  tenantId: string,
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
    `INSERT INTO argosy.blobs (tenant_id, sha256, text, bytes)
     SELECT $1, t.sha256, t.text, t.bytes FROM unnest($2::text[], $3::text[], $4::int[]) AS t (sha256, text, bytes)
     ON CONFLICT DO NOTHING`,
    [tenantId, [...texts.keys()], [...texts.values()], sizes],
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
