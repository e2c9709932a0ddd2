import { createHash, randomUUID } from 'node:crypto';
import { Unavailable } from '#errors';
import { type Depot, namingLoose, putLoose, tooSlow } from '../objects/loose.ts';
import { hashOf, readFar, refuseLoss } from '../objects/reading.ts';
import { HashMismatch } from '../store/blobs.ts';
import type { Statements } from '../store/database.ts';

/** Bytes of one row, or of its object: what a process holds in memory of a file that passes through it. */
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
  depot: Depot,
  file: FileKey,
  bytes: number,
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { database, objects } = depot;
  const draft = new Draft(depot, file.tenantId);
  try {
    const last = await putAllButLast(draft, checked(source, file.sha256, bytes));
    if (objects !== null && last.byteLength > 0) await draft.add(last);
    if (await nameFile(database, draft, file, objects === null ? last : null)) return;
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
  readonly #depot: Depot;
  readonly #tenantId: string;
  parts = 0;
  bytes = 0;

  constructor(depot: Depot, tenantId: string) {
    this.#depot = depot;
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

  /** @throws the database's word that the content is not there, when it was swept meanwhile; Unavailable */
  async add(data: Uint8Array): Promise<void> {
    const { database, objects } = this.#depot;
    if (objects === null) await this.#addNear(data);
    else await this.#addFar(data, (await putLoose({ database, objects }, this.#tenantId, [data]))[0] ?? '');
    this.parts += 1;
    this.bytes += data.byteLength;
  }

  get #begin(): string {
    return this.parts === 0 ? 'begun AS (INSERT INTO argosy.contents (tenant_id, content_id) VALUES ($1, $2))' : '';
  }

  async #addNear(data: Uint8Array): Promise<void> {
    const insert = 'INSERT INTO argosy.content_parts (tenant_id, content_id, part, data) VALUES ($1, $2, $3, $4)';
    const sql = this.parts === 0 ? `WITH ${this.#begin} ${insert}` : insert;
    await this.#depot.database.query(sql, [this.#tenantId, this.contentId, this.parts, data]);
  }

  async #addFar(data: Uint8Array, objectId: string): Promise<void> {
    const { held, freed } = namingLoose('ARRAY[$4]', 'put');
    const begin = this.parts === 0 ? `${this.#begin}, ` : '';
    const { rows } = await this.#depot.database.query<{ put: number }>(
      `WITH ${begin}${held}, put AS (
         INSERT INTO argosy.content_parts (tenant_id, content_id, part, object_id, bytes, sha256)
         SELECT $1, $2, $3::int, h.object_id, $5::int, $6 FROM held h
         WHERE $3::int = 0 OR EXISTS (SELECT 1 FROM argosy.contents WHERE tenant_id = $1 AND content_id = $2)
         RETURNING object_id
       ), ${freed}
       SELECT count(*)::int AS put FROM put`,
      [this.#tenantId, this.contentId, this.parts, objectId, data.byteLength, hashOf(data)],
    );
    if (rows[0]?.put !== 1) throw tooSlow();
  }

  async drop(): Promise<void> {
    if (this.parts === 0) return;
    const sql = 'DELETE FROM argosy.contents WHERE tenant_id = $1 AND content_id = $2';
    await this.#depot.database.query(sql, [this.#tenantId, this.contentId]);
  }
}

/** A part of some content: its bytes, or what says where they lie. */
interface PartRow {
  readonly contentId: string;
  readonly part: number;
  readonly data: Uint8Array | null;
  readonly objectId: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Parts with their bytes, from where each row says. @throws Unavailable where the object store is away; StoredBytesLost */
export async function readParts(
  { database, objects }: Depot,
  tenantId: string,
  where: string,
  values: readonly unknown[],
): Promise<(Pick<PartRow, 'contentId' | 'part'> & { readonly data: Uint8Array })[]> {
  const sql = `SELECT content_id AS "contentId", part, data, object_id AS "objectId", bytes, sha256
    FROM argosy.content_parts WHERE tenant_id = $1 AND ${where} ORDER BY content_id, part`;
  const { rows } = await database.query<PartRow>(sql, [tenantId, ...values]);
  const far = rows.filter(({ data }) => data === null).map((row) => ({ ...row, tenantId }));
  const read = await readFar(objects, far);
  const fetched = new Map(far.map((row, index) => [row.objectId, read[index] ?? refuseLoss(row)]));
  return rows.map(({ contentId, part, data, objectId }) => {
    return { contentId, part, data: data ?? fetched.get(objectId) ?? new Uint8Array() };
  });
}

/** Content in order, a few parts in memory at a time. @throws as {@link readParts} */
export async function* readContent(depot: Depot, tenantId: string, contentId: string): AsyncGenerator<Uint8Array> {
  const where = `content_id = $2 AND part >= $3::int AND part < $3::int + ${partsAtOnce}`;
  for (let next = 0; ; next += partsAtOnce) {
    const parts = await readParts(depot, tenantId, where, [contentId, next]);
    for (const { data } of parts) yield data;
    if (parts.length < partsAtOnce) return;
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
