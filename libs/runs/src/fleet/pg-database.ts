import { setTimeout as pause } from 'node:timers/promises';
import { type Client, Pool, type PoolClient, type QueryConfig, type QueryResult, TypeOverrides } from 'pg';
import { ArgosyError, DeadlineExceeded, InvalidState, messageOf, Unavailable } from '#errors';
import { databaseFailures, type FailureClass } from '../instruments.ts';
import type { Database, Role, Rows, Statements } from '../store/database.ts';
import { type Scope, ScopedQuery } from './scoped-query.ts';
import { shownAddress, wordsOf } from './server.ts';

/** How a process uses its PostgreSQL. */
export interface PgSettings {
  /** Most connections of this process; at least 2. */
  readonly connections: number;
  /** How long a statement waits for a connection, a restart of the server included. */
  readonly connectMs: number;
  /** How long a statement may take. */
  readonly statementMs: number;
}

const defaultSettings: PgSettings = { connections: 10, connectMs: 15_000, statementMs: 30_000 };

/** Our SQL is written for this release and later ones. */
const oldestVersion = 15;

/** The server is older than the SQL that is sent to it. */
class PostgresTooOld extends ArgosyError {
  override readonly name = 'PostgresTooOld';
  readonly code = 'postgres_too_old';
  readonly retryable = false;
}

/** oid of bigint: counts and sequence numbers, all far below 2^53. */
const bigint = 20;

/** PostgreSQL as a server, through a pool that outlives its restarts. */
export class PgDatabase implements Database {
  readonly #pool: Pool;
  readonly #settings: PgSettings;
  /** Host, port and database. */
  readonly #where: string;
  readonly #broken = new WeakSet<PoolClient>();
  /** Null until the roles are there: whoever brings the schema up to date owns its tables. */
  #role: Role | null = null;
  #closed = false;

  private constructor(url: string, where: string, settings: PgSettings) {
    const types = new TypeOverrides();
    types.setTypeParser(bigint, Number);
    this.#where = where;
    this.#settings = settings;
    this.#pool = new Pool({
      connectionString: url,
      max: settings.connections,
      connectionTimeoutMillis: settings.connectMs,
      query_timeout: settings.statementMs,
      keepAlive: true,
      application_name: 'argosy',
      types,
    });
    // A connection that breaks while idle leaves the pool; unheard, its error would end the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => this.#broken.add(client)));
  }

  /**
   * @throws Unavailable when no connection comes about in time; PostgresTooOld; InvalidInput when it is no address
   */
  static async open(url: string, settings: Partial<PgSettings> = {}): Promise<PgDatabase> {
    const where = shownAddress(url, 'ARGOSY_DATABASE_URL', ['postgres:', 'postgresql:']);
    const database = new PgDatabase(url, where, { ...defaultSettings, ...settings });
    try {
      await database.#expectVersion();
      return database;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** @throws Unavailable when the server cannot be reached, or the connection broke before the result was known */
  async query<R>(text: string, values: readonly unknown[] = []): Promise<Rows<R>> {
    const scope = this.#scope;
    return await this.#onConnection(async (client) => rowsOf<R>(await send(client, text, values, scope)));
  }

  /** From now on, statements that name no tenant are carried out as this role; scripts are not. */
  actAs(role: Role): void {
    this.#role = role;
  }

  forTenant(tenantId: string, role: Role = 'argosy_gateway'): Statements {
    const scope: Scope = { role, tenantId };
    return {
      query: async <R>(text: string, values: readonly unknown[] = []) =>
        await this.#onConnection(async (client) => rowsOf<R>(await send(client, text, values, scope))),
    };
  }

  async transaction<T>(work: (query: Statements['query']) => Promise<T>): Promise<T> {
    const scope = this.#scope;
    let begun = false;
    const perform = async (client: PoolClient): Promise<T> => {
      await client.query('BEGIN');
      begun = true;
      const result = await work(async <R>(text: string, values: readonly unknown[] = []) =>
        rowsOf<R>(await send(client, text, values, scope)),
      );
      const { command } = await client.query('COMMIT');
      // What the server says to COMMIT when a statement failed and `work` took no notice.
      if (command === 'ROLLBACK') throw new Error('A statement of this transaction failed, so it was rolled back.');
      return result;
    };
    return await this.#onConnection(perform, () => !begun);
  }

  async script(text: string): Promise<void> {
    const script: QueryConfig & { query_timeout: number } = { text, query_timeout: scriptMs };
    await this.#onConnection(async (client) => {
      await client.query(script).catch(async (error: unknown) => {
        // It may have begun a transaction; without one, ROLLBACK does nothing.
        await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      });
    });
  }

  /**
   * Does some work while no other process does work under the same number.
   * @param limitMs how long to wait for whoever does it now
   * @throws DeadlineExceeded
   */
  async alone<T>(lock: number, limitMs: number, work: () => Promise<T>): Promise<T> {
    // Of the transaction, not of the session: it works behind a pooler, too, and ends with the connection.
    return await this.transaction(async (query) => {
      const deadline = performance.now() + limitMs;
      const sql = 'SELECT pg_try_advisory_xact_lock($1) AS got';
      while (!(await query<{ got: boolean }>(sql, [lock])).rows[0]?.got) {
        if (performance.now() > deadline) throw new DeadlineExceeded(`Another process on ${this.#where}`, limitMs);
        await pause(100);
      }
      return await work();
    });
  }

  /** Waits for the statements under way. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.end();
  }

  get #scope(): Scope | null {
    return this.#role === null ? null : { role: this.#role, tenantId: '' };
  }

  async #expectVersion(): Promise<void> {
    const { rows } = await this.query<{ version: string }>(`SELECT current_setting('server_version') AS version`);
    const [{ version } = { version: '' }] = rows;
    if (Number.parseInt(version, 10) >= oldestVersion) return;
    throw new PostgresTooOld(
      `PostgreSQL at ${this.#where} is version ${version}; ${oldestVersion} or later is needed. Name another with ARGOSY_DATABASE_URL.`,
    );
  }

  /**
   * Lends a connection to some work. Only what surely was not sent is tried again, on another connection: of a statement
   * that was under way when its connection broke, nobody knows whether it was carried out.
   */
  async #onConnection<T>(work: (client: PoolClient) => Promise<T>, mayRepeat = () => true): Promise<T> {
    const deadline = performance.now() + this.#settings.connectMs;
    for (;;) {
      const client = await this.#connect(deadline);
      try {
        const result = await work(client);
        client.release();
        return result;
      } catch (error) {
        const broke = this.#broken.has(client) || endsConnection(error);
        if (!(error instanceof ArgosyError)) databaseFailures.add(1, { class: classOf(error, broke) });
        client.release(broke || !(await endedTransaction(client)));
        if (broke) hangUp(client);
        if (neverSent(error) && mayRepeat() && performance.now() < deadline) continue;
        throw broke ? this.#interrupted(error) : error;
      }
    }
  }

  async #connect(deadline: number): Promise<PoolClient> {
    for (let pauseMs = 25; ; pauseMs = Math.min(2 * pauseMs, 500)) {
      if (this.#closed) throw new InvalidState('The database is closed: this process is going down.');
      try {
        return await this.#pool.connect();
      } catch (error) {
        if (isRefusal(error) || performance.now() + pauseMs > deadline) throw this.#unreachable(error);
        await pause(pauseMs);
      }
    }
  }

  #interrupted(cause: unknown): Unavailable {
    const what = `The connection to PostgreSQL at ${this.#where} broke in the middle of a statement`;
    const message = `${what} (${wordsOf(cause)}); whether it was carried out is not known. Look, then try again.`;
    return new Unavailable(message, { cause });
  }

  #unreachable(cause: unknown): Unavailable {
    databaseFailures.add(1, { class: 'connection' });
    const advice = 'Start it, or correct ARGOSY_DATABASE_URL (postgres://user:password@host:port/database)';
    return new Unavailable(`PostgreSQL at ${this.#where} cannot be used: ${wordsOf(cause)}. ${advice}.`, { cause });
  }
}

/** Migrations rewrite tables. */
const scriptMs = 600_000;

async function send(
  client: PoolClient,
  text: string,
  values: readonly unknown[],
  scope: Scope | null,
): Promise<QueryResult> {
  if (scope === null) return await client.query(text, [...values]);
  return await new Promise((resolve, reject) => {
    client.query(
      new ScopedQuery({ text, values, scope }, (error, result) => (error ? reject(error) : resolve(result))),
    );
  });
}

function rowsOf<R>({ rows, rowCount, command }: QueryResult): Rows<R> {
  // The driver counts the rows of a SELECT, too.
  return { rows: rows as R[], changed: command === 'SELECT' ? 0 : (rowCount ?? 0) };
}

/** Work that failed may have left a transaction open. @returns whether the connection can be used again */
async function endedTransaction(client: PoolClient): Promise<boolean> {
  if (client.getTransactionStatus() === 'I') return true;
  return await client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

/** The driver would wait politely for a statement that was given up. */
function hangUp(client: PoolClient): void {
  // What a pool lends is a Client; its type only shows less of it.
  (client as unknown as Client).connection.stream.destroy();
}

/** SQLSTATE of the server, or what the system calls a failed connection. */
function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** The server is going down, or the driver gave up waiting: nothing more comes over this connection. */
function endsConnection(error: unknown): boolean {
  return /^(57P0\d|08...)$/.test(codeOf(error)) || messageOf(error) === 'Query read timeout';
}

function classOf(error: unknown, broke: boolean): FailureClass {
  const code = codeOf(error);
  if (code === '57014' || messageOf(error) === 'Query read timeout') return 'timeout';
  if (broke) return 'connection';
  if (code.startsWith('40')) return 'conflict';
  if (code.startsWith('23')) return 'constraint';
  return code.startsWith('53') ? 'resources' : 'other';
}

/** What the driver says of a connection that it knew to be broken. */
function neverSent(error: unknown): boolean {
  return /is not queryable$/.test(messageOf(error));
}

/** Waiting does not mend a wrong password, or a database that is not there. */
function isRefusal(error: unknown): boolean {
  return /^(28...|3D...|42501)$/.test(codeOf(error));
}
