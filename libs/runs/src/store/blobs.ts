import { ArgosyError } from '#errors';
import { type Depot, namingLoose, putLoose, tooSlow } from '../objects/loose.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { hashOf, readFar, refuseLoss } from '../objects/reading.ts';
import type { Statements } from './database.ts';
import type { RunKey } from './sweep.ts';

/** A text was offered under a hash that is not its own. */
export class HashMismatch extends ArgosyError {
  override readonly name = 'HashMismatch';
  readonly code = 'hash_mismatch';
  readonly retryable = false;
}

interface OfferedText {
  readonly sha256: string;
  readonly text: string;
  readonly bytes: Uint8Array;
}

/**
 * Stores snapshot texts of a run by the sha256 of their UTF-8 bytes, each once for all runs of the tenant. Of a run that is
 * gone, nothing is stored.
 * @throws HashMismatch; Unavailable where the object store is away
 */
export async function putTexts(
  { database, objects }: Depot,
  run: RunKey,
  texts: ReadonlyMap<string, string>,
): Promise<void> {
  if (texts.size === 0) return;
  const offered = [...texts].map(([sha256, text]) => {
    const bytes = Buffer.from(text, 'utf8');
    const actual = hashOf(bytes);
    if (actual !== sha256) throw new HashMismatch(`A snapshot named ${sha256} hashes to ${actual}.`);
    return { sha256, text, bytes };
  });
  if (objects === null) await putNear(database, run, offered);
  else await putFar({ database, objects }, run, offered);
}

/** A run that is being removed takes the texts that only it cites: its row, and each text, is locked against that. */
const ofTheRun = `run AS MATERIALIZED (
  SELECT 1 FROM argosy.runs WHERE tenant_id = $1 AND run_id = $2 FOR KEY SHARE
)`;

const cite = 'INSERT INTO argosy.run_texts (tenant_id, run_id, sha256)';

async function putNear(
  database: Statements,
  { tenantId, runId }: RunKey,
  offered: readonly OfferedText[],
): Promise<void> {
  await database.query(
    // A known text is named anew for no other reason than its lock.
    `WITH ${ofTheRun}, put AS (
       INSERT INTO argosy.blobs (tenant_id, sha256, text, bytes)
       SELECT $1, t.sha256, t.text, t.bytes
       FROM run, unnest($3::text[], $4::text[], $5::int[]) AS t (sha256, text, bytes) ORDER BY t.sha256
       ON CONFLICT (tenant_id, sha256) DO UPDATE SET bytes = EXCLUDED.bytes
     )
     ${cite} SELECT $1, $2, t.sha256 FROM run, unnest($3::text[]) AS t (sha256) ON CONFLICT DO NOTHING`,
    [
      tenantId,
      runId,
      offered.map(({ sha256 }) => sha256),
      offered.map(({ text }) => text),
      offered.map(({ bytes }) => bytes.byteLength),
    ],
  );
}

/** Bytes first, then the rows: what the tenant has already is not sent again. */
async function putFar(
  { database, objects }: { readonly database: Statements; readonly objects: ObjectStore },
  run: RunKey,
  offered: readonly OfferedText[],
): Promise<void> {
  const known = await citeKnown(database, run, offered);
  const unknown = offered.filter(({ sha256 }) => known !== null && !known.has(sha256));
  if (unknown.length === 0) return;
  const ids = await putLoose(
    { database, objects },
    run.tenantId,
    unknown.map(({ bytes }) => bytes),
  );
  const { held, freed } = namingLoose('$4', 'put');
  const { rows } = await database.query<{ there: number; put: number }>(
    `WITH ${ofTheRun}, ${held}, put AS (
       INSERT INTO argosy.blobs (tenant_id, sha256, object_id, bytes)
       SELECT $1, t.sha256, t.object_id, t.bytes
       FROM run, unnest($3::text[], $4::text[], $5::int[]) AS t (sha256, object_id, bytes) JOIN held USING (object_id)
       ORDER BY t.sha256
       ON CONFLICT (tenant_id, sha256) DO UPDATE SET bytes = EXCLUDED.bytes RETURNING sha256, object_id
     ), ${freed}, cited AS (
       ${cite} SELECT $1, $2, put.sha256 FROM put ON CONFLICT DO NOTHING
     )
     SELECT (SELECT count(*) FROM run)::int AS there, (SELECT count(*) FROM put)::int AS put`,
    [run.tenantId, run.runId, unknown.map(({ sha256 }) => sha256), ids, unknown.map(({ bytes }) => bytes.byteLength)],
  );
  const [{ there, put } = { there: 0, put: 0 }] = rows;
  if (there > 0 && put < unknown.length) throw tooSlow();
}

/** @returns those that the tenant has, which the run cites now; null where the run is gone */
async function citeKnown(
  database: Statements,
  { tenantId, runId }: RunKey,
  offered: readonly OfferedText[],
): Promise<Set<string> | null> {
  const { rows } = await database.query<{ there: number; known: string[] }>(
    `WITH ${ofTheRun}, known AS MATERIALIZED (
       SELECT b.sha256 FROM argosy.blobs b WHERE b.tenant_id = $1 AND b.sha256 = ANY ($3) AND EXISTS (SELECT 1 FROM run)
       ORDER BY b.sha256 FOR KEY SHARE OF b
     ), cited AS (
       ${cite} SELECT $1, $2, k.sha256 FROM known k ON CONFLICT DO NOTHING
     )
     SELECT (SELECT count(*) FROM run)::int AS there, ARRAY(SELECT sha256 FROM known) AS known`,
    [tenantId, runId, offered.map(({ sha256 }) => sha256)],
  );
  const [row] = rows;
  return row === undefined || row.there === 0 ? null : new Set(row.known);
}

interface TextRow {
  readonly sha256: string;
  readonly text: string | null;
  readonly objectId: string | null;
  readonly bytes: number;
}

/**
 * Stored texts by hash, from where each row says; a hash that is unknown is left out.
 * @throws Unavailable where the object store is away; StoredBytesLost
 */
export async function getTexts(
  { database, objects }: Depot,
  tenantId: string,
  hashes: readonly string[],
): Promise<Map<string, string>> {
  const rows = await textRows(database, tenantId, hashes);
  const texts = new Map(rows.flatMap(({ sha256, text }) => (text === null ? [] : [[sha256, text] as const])));
  const far = rows.flatMap(({ objectId, ...row }) => (objectId === null ? [] : [{ tenantId, objectId, ...row }]));
  const read = await readFar(objects, far);
  const gone = far.filter((_one, index) => read[index] === null);
  for (const [index, { sha256 }] of far.entries()) {
    const bytes = read[index];
    if (bytes) texts.set(sha256, Buffer.from(bytes).toString('utf8'));
  }
  // One whose run was removed since is unknown by now; one that still stands has lost its bytes.
  const again = gone.map(({ sha256 }) => sha256);
  const standing = new Set((await textRows(database, tenantId, again)).map(({ objectId }) => objectId));
  const lost = gone.find(({ objectId }) => standing.has(objectId));
  if (lost !== undefined) refuseLoss(lost);
  return texts;
}

async function textRows(
  database: Statements,
  tenantId: string,
  hashes: readonly string[],
): Promise<readonly TextRow[]> {
  if (hashes.length === 0) return [];
  const { rows } = await database.query<TextRow>(
    `SELECT sha256, text, object_id AS "objectId", bytes FROM argosy.blobs WHERE tenant_id = $1 AND sha256 = ANY ($2)`,
    [tenantId, hashes],
  );
  return rows;
}
