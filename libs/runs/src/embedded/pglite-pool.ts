import { EventEmitter } from 'node:events';
import type { PGlite, Results, Transaction } from '@electric-sql/pglite';

/** What BullMQ reads of a result. */
interface PoolResult<R = Record<string, unknown>> {
  rows: R[];
  rowCount: number;
}

/** The session, or an open transaction on it. */
type Session = Pick<PGlite | Transaction, 'query' | 'exec'>;

/**
 * A `pg.Pool` over one PGlite session, as far as BullMQ's PostgreSQL backend uses one.
 * There is a single session, so a client that says BEGIN holds it until COMMIT or ROLLBACK while everyone else waits,
 * and LISTEN becomes PGlite's own subscription that arrives as a `notification` event.
 */
export class PglitePool extends EventEmitter {
  /** Nothing can drop silently in-process, so BullMQ need not poll for a dead listener. */
  readonly options = { keepAlive: true };
  readonly #handle: PGlite;

  constructor(handle: PGlite) {
    super();
    // Every queue and worker adds a listener of its own: more than the default of ten is no leak.
    this.setMaxListeners(0);
    this.#handle = handle;
  }

  async connect(): Promise<PgliteClient> {
    return new PgliteClient(this.#handle);
  }

  async query<R>(text: string, values?: readonly unknown[]): Promise<PoolResult<R>> {
    return await send(this.#handle, text, values);
  }

  /** The session belongs to whoever opened the database. */
  async end(): Promise<void> {}
}

/** An open transaction: its handle, and how to let go of it. */
interface OpenTransaction {
  readonly session: Transaction;
  readonly finish: () => void;
  /** Settles when PGlite has committed or rolled back. */
  readonly finished: Promise<void>;
}

/** One borrowed "connection": a view on the shared session. */
class PgliteClient extends EventEmitter {
  readonly #handle: PGlite;
  readonly #subscriptions = new Map<string, () => Promise<void>>();
  #open: OpenTransaction | null = null;

  constructor(handle: PGlite) {
    super();
    this.#handle = handle;
  }

  async query<R>(text: string, values?: readonly unknown[]): Promise<PoolResult<R>> {
    switch (verbOf(text)) {
      case 'LISTEN':
        return await this.#listen(channelOf(text));
      case 'UNLISTEN':
        return await this.#unlisten(channelOf(text));
      case 'BEGIN':
        this.#open = await beginTransaction(this.#handle);
        return nothing();
      case 'COMMIT':
        return await this.#end(async () => {});
      case 'ROLLBACK':
        return await this.#end(async (session) => await session.rollback());
      default:
        return await send(this.#open?.session ?? this.#handle, text, values);
    }
  }

  release(): void {
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe().catch(() => undefined);
    this.#subscriptions.clear();
    this.#end(async (session) => await session.rollback()).catch(() => undefined);
  }

  async #end(how: (session: Transaction) => Promise<void>): Promise<PoolResult<never>> {
    const open = this.#open;
    this.#open = null;
    if (open !== null) {
      try {
        await how(open.session);
      } finally {
        open.finish();
      }
      await open.finished;
    }
    return nothing();
  }

  async #listen(channel: string): Promise<PoolResult<never>> {
    if (!this.#subscriptions.has(channel)) {
      const unsubscribe = await this.#handle.listen(channel, (payload) => {
        this.emit('notification', { channel, payload });
      });
      this.#subscriptions.set(channel, async () => await unsubscribe());
    }
    return nothing();
  }

  async #unlisten(channel: string): Promise<PoolResult<never>> {
    await this.#subscriptions.get(channel)?.();
    this.#subscriptions.delete(channel);
    return nothing();
  }
}

/** Turns PGlite's callback transaction into one that is ended from outside. */
async function beginTransaction(handle: PGlite): Promise<OpenTransaction> {
  return await new Promise((begun, refused) => {
    const finished = handle.transaction(async (session) => {
      await new Promise<void>((finish) => begun({ session, finish, finished }));
    });
    finished.catch(refused);
  });
}

async function send<R>(session: Session, text: string, values?: readonly unknown[]): Promise<PoolResult<R>> {
  const result: Results<R> | undefined =
    values === undefined || values.length === 0
      ? ((await session.exec(text)).at(-1) as Results<R> | undefined)
      : await session.query<R>(text, [...values]);
  return { rows: result?.rows ?? [], rowCount: rowCount(result) };
}

/** As `pg` counts: rows returned, else rows changed. */
function rowCount(result: Results<unknown> | undefined): number {
  return result === undefined ? 0 : result.rows.length || (result.affectedRows ?? 0);
}

function nothing(): PoolResult<never> {
  return { rows: [], rowCount: 0 };
}

/** First word of a statement after its leading `--` comments, in capitals. */
function verbOf(text: string): string {
  const bare = text.replace(/^(\s*--[^\n]*\n)+/, '').trimStart();
  return /^[A-Za-z]+/.exec(bare)?.[0].toUpperCase() ?? '';
}

function channelOf(text: string): string {
  return /LISTEN\s+"?([^";\s]+)"?/i.exec(text)?.[1] ?? '*';
}
