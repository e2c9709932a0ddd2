import { createHash } from 'node:crypto';
import { ArgosyError } from '#errors';
import type { Statements } from '../store/database.ts';

interface AuditRow {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: string;
  readonly hash: string;
}

/** The end of a sound log. Kept elsewhere, it also shows that nobody wrote the whole log anew. */
export interface AuditHead {
  readonly entries: number;
  /** Hash of the last entry; empty without any. */
  readonly hash: string;
}

/** An audit log is not what was written. */
class AuditBroken extends ArgosyError {
  override readonly name = 'AuditBroken';
  readonly code = 'audit_broken';
  readonly retryable = false;
}

const pageRows = 1_000;

/**
 * Looks at every entry of a tenant's log, oldest first: its number, and its hash over itself and the one before.
 * @param database as whom may read it: the owner of the tables
 * @param known hash of an entry that is to be there still, from an earlier look: a log that was written anew lacks it
 * @throws AuditBroken naming the first entry that is not as it was written, is missing, or was added
 */
export async function verifyAudit(database: Statements, tenantId: string, known?: string): Promise<AuditHead> {
  // Entries that are appended while we look lie behind it, and are not looked at.
  const head = await headOf(database, tenantId);
  let last: AuditHead = { entries: 0, hash: '' };
  let isThere = known === undefined;
  while (last.entries < head.entries) {
    const rows = await page(database, tenantId, last.entries);
    if (rows.length === 0) break;
    for (const row of rows.slice(0, head.entries - last.entries)) {
      last = follow(last, tenantId, row);
      isThere ||= last.hash === known;
    }
  }
  if (last.entries === head.entries && last.hash === head.hash) {
    if (isThere) return last;
    throw new AuditBroken(`The audit log of ${tenantId} was written anew: no entry of it has the hash ${known}.`);
  }
  throw broken(tenantId, last.entries + 1, `is missing, though ${head.entries} were written`);
}

function follow(last: AuditHead, tenantId: string, row: AuditRow): AuditHead {
  const entries = last.entries + 1;
  if (row.seq !== entries) throw broken(tenantId, entries, 'is missing');
  const { at, actor, action, subject, details } = row;
  const fields = [last.hash, tenantId, String(row.seq), at, actor, action, subject, details];
  if (auditHash(fields) !== row.hash) throw broken(tenantId, entries, 'is not what was written');
  return { entries, hash: row.hash };
}

/** What `argosy.audit_hash` does. */
function auditHash(fields: readonly string[]): string {
  const text = fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join('');
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

async function headOf(database: Statements, tenantId: string): Promise<AuditHead> {
  const { rows } = await database.query<{ seq: number | string; hash: string }>(
    'SELECT seq, hash FROM argosy.audit_heads WHERE tenant_id = $1',
    [tenantId],
  );
  const [head] = rows;
  if (head !== undefined) return { entries: Number(head.seq), hash: head.hash };
  if ((await page(database, tenantId, 0)).length > 0) throw broken(tenantId, 1, 'is there, though none was written');
  return { entries: 0, hash: '' };
}

async function page(database: Statements, tenantId: string, after: number): Promise<AuditRow[]> {
  const { rows } = await database.query<Omit<AuditRow, 'seq'> & { seq: number | string }>(
    `SELECT seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, actor, action, subject, details, hash
     FROM argosy.audit_log WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT ${pageRows}`,
    [tenantId, after],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}

function broken(tenantId: string, entry: number, what: string): AuditBroken {
  return new AuditBroken(`The audit log of ${tenantId} was changed: entry ${entry} ${what}.`);
}
