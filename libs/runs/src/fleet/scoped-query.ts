import { type Connection, Query, type QueryResult } from 'pg';
import type { Role } from '../store/database.ts';
import { becomeSql } from '../store/roles.ts';

/** As whom a statement is carried out, and for which tenant; empty for none. */
export interface Scope {
  readonly role: Role;
  readonly tenantId: string;
}

interface Sent {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly scope: Scope;
}

type Told = (error: Error | null | undefined, result: QueryResult) => void;

/** What the driver's class has besides what its types tell: the same that cursors for it build upon. */
interface ExtendedQuery extends Query {
  prepare(connection: Connection): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}

const Extended = Query as unknown as new (
  config: { readonly text: string; readonly values: unknown[]; readonly queryMode: 'extended' },
  told: Told,
) => ExtendedQuery;

/**
 * A statement with its role and tenant before it, in one message to the server: up to Sync everything is one transaction,
 * and what is set for it ends with it. BEGIN and COMMIT around it would be two more round trips.
 */
export class ScopedQuery extends Extended {
  readonly #scope: Scope;
  /** Whether what comes now answers the statement itself. */
  #begun = false;

  constructor({ text, values, scope }: Sent, told: Told) {
    super({ text, values: [...values], queryMode: 'extended' }, told);
    this.#scope = scope;
  }

  override prepare(connection: Connection): void {
    const { role, tenantId } = this.#scope;
    connection.parse({ name: '', text: becomeSql, types: [] }, true);
    connection.bind({ values: [role, tenantId] }, true);
    connection.execute({}, true);
    super.prepare(connection);
  }

  override handleDataRow(message: unknown): void {
    if (this.#begun) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#begun) super.handleCommandComplete(message, connection);
    this.#begun = true;
  }
}
