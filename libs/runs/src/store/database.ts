/**
 * As whom a statement is carried out: `argosy_gateway` sees rows of the tenant that the transaction names, and
 * `argosy_fleet`, which workers and the dispatcher work as, the runs and corpora of all. Neither may log in, owns
 * anything, or is above row-level security.
 */
export type Role = 'argosy_gateway' | 'argosy_fleet';

/** Rows of one statement. Column values are as the driver parsed them: jsonb as objects, bigint as number. */
export interface Rows<R> {
  readonly rows: readonly R[];
  /** Rows inserted, updated or deleted. */
  readonly changed: number;
}

/** Where statements are sent, each a transaction of its own. */
export interface Statements {
  /** Runs one statement. @throws whatever the database says; `code` is the SQLSTATE. */
  query<R = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Rows<R>>;
}

/**
 * The one door to SQL. Statements are written for PostgreSQL 15, name their schema (`argosy.runs`), and use neither
 * advisory locks nor session settings: an embedded database has a single session that everyone shares.
 */
export interface Database extends Statements {
  /**
   * The door for what a client asks: the database itself shows and takes rows of this tenant alone, whatever a statement
   * says or forgets.
   * @param role whose rights it has there; a worker's for what it does for a call of the tenant. Default: the gateway's
   */
  forTenant(tenantId: string, role?: Role): Statements;
  /** Runs statements as one transaction; rolled back when `work` throws. */
  transaction<T>(work: (query: Statements['query']) => Promise<T>): Promise<T>;
  /** Runs a script of several statements without parameters, as the owner of the tables. */
  script(text: string): Promise<void>;
  close(): Promise<void>;
}
