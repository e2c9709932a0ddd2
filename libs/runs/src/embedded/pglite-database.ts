import { mkdirSync } from 'node:fs';
import { PGlite, type Results } from '@electric-sql/pglite';
import { ArgosyError, messageOf } from '#errors';
import type { Database, Role, Rows, Statements } from '../store/database.ts';
import { becomeSql } from '../store/roles.ts';

/** The embedded database could not be opened. */
class DatabaseUnusable extends ArgosyError {
  override readonly name = 'DatabaseUnusable';
  readonly code = 'database_unusable';
  readonly retryable = false;
}

/** BullMQ's tables live in its own schema and its SQL does not name it. Ours does. */
const searchPath = 'SET search_path TO bullmq, public';

/**
 * PostgreSQL as WebAssembly inside this process, on a folder. One session serves everyone, as a superuser: a role is taken
 * on only within a transaction. What names no tenant is carried out without one, for all of it is this one process.
 */
export class PgliteDatabase implements Database {
  /** The handle itself, for the BullMQ adapter. */
  readonly handle: PGlite;

  private constructor(handle: PGlite) {
    this.handle = handle;
  }

  /**
   * Opens or creates the database in `folder`. About 3.5 s for a new one, 0.4 s for an existing one.
   * @throws DatabaseUnusable when the folder holds something else, or the disk refuses
   */
  static async open(folder: string): Promise<PgliteDatabase> {
    try {
      mkdirSync(folder, { recursive: true });
      const handle = await PGlite.create(folder);
      await handle.exec(searchPath);
      return new PgliteDatabase(handle);
    } catch (cause) {
      const advice = 'Check free space and permissions, or start with another folder through ARGOSY_DATA_DIR';
      throw new DatabaseUnusable(`The database in ${folder} cannot be opened: ${messageOf(cause)}. ${advice}.`, {
        cause,
      });
    }
  }

  async query<R>(text: string, values: readonly unknown[] = []): Promise<Rows<R>> {
    return rowsOf(await this.handle.query<R>(text, [...values]));
  }

  forTenant(tenantId: string, role: Role = 'argosy_gateway'): Statements {
    return {
      query: async <R>(text: string, values: readonly unknown[] = []) =>
        await this.transaction(async (query) => {
          await query(becomeSql, [role, tenantId]);
          return await query<R>(text, values);
        }),
    };
  }

  async transaction<T>(work: (query: Statements['query']) => Promise<T>): Promise<T> {
    return await this.handle.transaction(
      async (tx) =>
        await work(async <R>(text: string, values: readonly unknown[] = []) =>
          rowsOf(await tx.query<R>(text, [...values])),
        ),
    );
  }

  async script(text: string): Promise<void> {
    await this.handle.exec(text);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

function rowsOf<R>({ rows, affectedRows }: Results<R>): Rows<R> {
  return { rows, changed: affectedRows ?? 0 };
}
