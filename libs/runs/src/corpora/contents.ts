import { createHash, randomUUID } from 'node:crypto';
import { Unavailable } from '#errors';
import { HashMismatch } from '../store/blobs.ts';
import type { Statements } from '../store/database.ts';

/** Bytes of one row: what a process holds in memory of a file that passes through it. */
const partBytes = 1024 * 1024;

/** Parts fetched with one statement. */
const partsAtOnce = 4;

/** A file by the hash of its bytes. */
export interface FileKey {
  readonly tenantId: string;
  readonly sha256: string;
}

/**
 * Stores a file under its hash, part by part; a known one is not stored again. What breaks off leaves nothing that
 * counts, and what it left is swept later.
 * @param bytes its size, beyond which nothing is read
 * @throws HashMismatch; Unavailable when it took longer than the sweep is patient
 */
export async function putFile(
  database: Statements,
  file: FileKey,
  bytes: number,
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  const draft = new Draft(database, file.tenantId);
  try {
    const last = await putAllButLast(draft, checked(source, file.sha256, bytes));
    if (await nameFile(database, draft, file, last)) return;
    if (!(await knowsFile(database, file)))
      throw new Unavailable('The upload took too long and was swept away, or its corpus was removed meanwhile.');
  } catch (error) {
    await draft.drop().catch(() => undefined);
    throw error;
  }
  await draft.drop();
}

/** The last part goes into the statement that names the file: a small one costs one statement in all. */
async function putAllButLast(draft: Draft, source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let held: Uint8Array | null = null;
  for await (const part of inParts(source)) {
    if (held !== null) await draft.add(held);
    held = part;
  }
  return held ?? new Uint8Array();
}

async function* checked(source: AsyncIterable<Uint8Array>, sha256: string, bytes: number): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (size > bytes) throw new HashMismatch(`The file ${sha256} has ${bytes} bytes; more were sent.`);
    hash.update(chunk);
    yield chunk;
  }
  const actual = hash.digest('hex');
  if (actual !== sha256) throw new HashMismatch(`${size} bytes were sent as ${sha256}, and they hash to ${actual}.`);
}

/**
 * Gives the content of a draft its name.
 * @param last what is not in the draft yet; null when all of it is
 * @returns false when the file is known already, its draft was swept, or no corpus names it any more
 */
export async function nameFile(
  database: Statements,
  draft: Draft,
  file: FileKey,
  last: Uint8Array | null,
): Promise<boolean> {
  const begun = draft.parts > 0;
  const { rows } = await database.query<{ named: number }>(
    `WITH draft AS MATERIALIZED (
       SELECT content_id FROM argosy.contents WHERE tenant_id = $1 AND content_id = $4 FOR UPDATE
     ), wanted AS MATERIALIZED (
       SELECT 1 FROM argosy.corpus_files WHERE tenant_id = $1 AND sha256 = $2
       ORDER BY corpus_id, path LIMIT 1 FOR KEY SHARE
     ), named AS (
       INSERT INTO argosy.files (tenant_id, sha256, bytes, content_id)
       SELECT $1, $2, $3::int, $4 FROM wanted WHERE NOT $7::boolean OR EXISTS (SELECT 1 FROM draft)
       ON CONFLICT DO NOTHING RETURNING content_id
     ), settled AS (
       INSERT INTO argosy.contents (tenant_id, content_id, settled) SELECT $1, content_id, true FROM named
       ON CONFLICT (tenant_id, content_id) DO UPDATE SET settled = true
     ), ended AS (
       INSERT INTO argosy.content_parts (tenant_id, content_id, part, data)
       SELECT $1, content_id, $5::int, $6::bytea FROM named WHERE $6::bytea IS NOT NULL
     )
     SELECT count(*)::int AS named FROM named`,
    [file.tenantId, file.sha256, draft.bytes + (last?.byteLength ?? 0), draft.contentId, draft.parts, last, begun],
  );
  return rows[0]?.named === 1;
}

async function knowsFile(database: Statements, { tenantId, sha256 }: FileKey): Promise<boolean> {
  const sql = 'SELECT 1 FROM argosy.files WHERE tenant_id = $1 AND sha256 = $2';
  return (await database.query(sql, [tenantId, sha256])).rows.length > 0;
}

/** Content that is being written. It counts only when somebody settles it. */
export class Draft {
  readonly contentId = randomUUID();
  readonly #database: Statements;
  readonly #tenantId: string;
  parts = 0;
  bytes = 0;

  constructor(database: Statements, tenantId: string) {
    this.#database = database;
    this.#tenantId = tenantId;
  }

  /** Adds everything that comes. @returns the sha256 */
  async fill(source: AsyncIterable<Uint8Array>): Promise<string> {
    const hash = createHash('sha256');
    for await (const part of inParts(source)) {
      hash.update(part);
      await this.add(part);
    }
    return hash.digest('hex');
  }

  /** @throws the database's word that the content is not there, when it was swept meanwhile */
  async add(data: Uint8Array): Promise<void> {
    const insert = 'INSERT INTO argosy.content_parts (tenant_id, content_id, part, data) VALUES ($1, $2, $3, $4)';
    const begin = 'WITH begun AS (INSERT INTO argosy.contents (tenant_id, content_id) VALUES ($1, $2))';
    const sql = this.parts === 0 ? `${begin} ${insert}` : insert;
    await this.#database.query(sql, [this.#tenantId, this.contentId, this.parts, data]);
    this.parts += 1;
    this.bytes += data.byteLength;
  }

  async drop(): Promise<void> {
    if (this.parts === 0) return;
    const sql = 'DELETE FROM argosy.contents WHERE tenant_id = $1 AND content_id = $2';
    await this.#database.query(sql, [this.#tenantId, this.contentId]);
  }
}

/** Content in order, a few parts in memory at a time. */
export async function* readContent(
  database: Statements,
  tenantId: string,
  contentId: string,
): AsyncGenerator<Uint8Array> {
  for (let next = 0; ; next += partsAtOnce) {
    const { rows } = await database.query<{ data: Uint8Array }>(
      `SELECT data FROM argosy.content_parts
       WHERE tenant_id = $1 AND content_id = $2 AND part >= $3::int AND part < $3::int + ${partsAtOnce} ORDER BY part`,
      [tenantId, contentId, next],
    );
    for (const { data } of rows) yield data;
    if (rows.length < partsAtOnce) return;
  }
}

/** Removes what uploads left that broke off more than an hour ago. */
export async function sweepContents(database: Statements): Promise<void> {
  await database.query(`DELETE FROM argosy.contents WHERE NOT settled AND created_at < now() - interval '1 hour'`);
}

/** The same bytes in parts of one size, but for the last. */
async function* inParts(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (size + rest.byteLength >= partBytes) {
      const taken = rest.subarray(0, partBytes - size);
      yield Buffer.concat([...waiting, taken]);
      rest = rest.subarray(taken.byteLength);
      waiting = [];
      size = 0;
    }
    if (rest.byteLength > 0) waiting.push(rest);
    size += rest.byteLength;
  }
  if (size > 0) yield Buffer.concat(waiting);
}
