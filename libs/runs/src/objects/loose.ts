import { randomUUID } from 'node:crypto';
import { Unavailable } from '#errors';
import { nameOf } from '../key-name.ts';
import type { Statements } from '../store/database.ts';
import { forEachOf, type ObjectStore } from './object-store.ts';

/** Where the bytes of a lib's rows go: the database's statements, and an object store where there is one. */
export interface Depot {
  readonly database: Statements;
  readonly objects: ObjectStore | null;
}

/** An object of a tenant, in the store. */
export interface ObjectKey {
  readonly tenantId: string;
  readonly objectId: string;
}

/** How long an object may wait for the row that names it. */
const patience = "interval '1 hour'";

/** A statement that names an object cannot still be under way so long after the object's time. */
const grace = "interval '10 minutes'";

/** Under which name an object lies. Ids of tenants may hold anything, and need not be read in a bucket. */
export function objectName({ tenantId, objectId }: ObjectKey): string {
  return `${nameOf(tenantId).slice(0, 16)}/${objectId}`;
}

/**
 * Writes bytes as objects that no row names yet. That they may be there is in the record before they are: should nothing
 * come of them, they are swept. @returns their ids, in order
 */
export async function putLoose(
  { database, objects }: { readonly database: Statements; readonly objects: ObjectStore },
  tenantId: string,
  all: readonly Uint8Array[],
): Promise<string[]> {
  const ids = all.map(() => randomUUID());
  await database.query(
    `INSERT INTO argosy.loose_objects (tenant_id, object_id, due_at)
     SELECT $1, o.id, now() + ${patience} FROM unnest($2::text[]) AS o (id)`,
    [tenantId, ids],
  );
  const pairs = all.map((bytes, index) => ({ bytes, objectId: ids[index] ?? '' }));
  await forEachOf(pairs, async ({ bytes, objectId }) => await objects.put(objectName({ tenantId, objectId }), bytes));
  return ids;
}

/**
 * For a statement that names loose objects: `held`, the ids among `$ids` that may still be named, and `freed`, which ends
 * the looseness of those that `named` has.
 * @param ids parameter with all ids
 * @param named a query of the statement, with a column `object_id`
 */
export function namingLoose(ids: string, named: string): { readonly held: string; readonly freed: string } {
  return {
    held: `held AS MATERIALIZED (
       SELECT object_id FROM argosy.loose_objects
       WHERE tenant_id = $1 AND object_id = ANY (${ids}::text[]) AND due_at > now() FOR UPDATE
     )`,
    freed: `freed AS (
       DELETE FROM argosy.loose_objects l USING ${named} n WHERE l.tenant_id = $1 AND l.object_id = n.object_id
     )`,
  };
}

/** An upload that was so slow that what it wrote may be swept. */
export function tooSlow(): Unavailable {
  return new Unavailable(
    'Bytes were stored for longer than an hour before anything named them, and are swept: try again.',
  );
}

/** Objects that one sweep removes, at most. */
const batch = 200;

/** How long a sweep may keep whoever sweeps from other work. */
const sweepMs = 2_000;

/** How long a store that is away is left alone. */
const everyMs = 60_000;

/** Removes objects that no row names any more, or never did. Safe to do anywhere, and twice at once. */
export class ObjectSweep {
  readonly #depot: Depot;
  #dueAt = Number.NEGATIVE_INFINITY;

  constructor(depot: Depot) {
    this.#depot = depot;
  }

  /** Where the store is away, nothing is forgotten: a later sweep takes it. @returns how many were removed */
  async ifDue(): Promise<number> {
    const { database, objects } = this.#depot;
    if (objects === null || performance.now() < this.#dueAt) return 0;
    const removed: ObjectKey[] = [];
    const signal = AbortSignal.timeout(sweepMs);
    try {
      await forEachOf(await dueObjects(database), async (key) => {
        await objects.remove(objectName(key), signal);
        removed.push(key);
      });
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      if (!signal.aborted || removed.length === 0) this.#dueAt = performance.now() + everyMs;
    } finally {
      await forgetLoose(database, removed);
    }
    return removed.length;
  }
}

async function dueObjects(database: Statements): Promise<readonly ObjectKey[]> {
  const { rows } = await database.query<ObjectKey>(
    `SELECT tenant_id AS "tenantId", object_id AS "objectId" FROM argosy.loose_objects
     WHERE due_at < now() - ${grace} ORDER BY due_at LIMIT ${batch}`,
  );
  return rows;
}

async function forgetLoose(database: Statements, keys: readonly ObjectKey[]): Promise<void> {
  if (keys.length === 0) return;
  await database.query(
    `DELETE FROM argosy.loose_objects l USING unnest($1::text[], $2::text[]) AS k (tenant_id, object_id)
     WHERE l.tenant_id = k.tenant_id AND l.object_id = k.object_id`,
    [keys.map(({ tenantId }) => tenantId), keys.map(({ objectId }) => objectId)],
  );
}
