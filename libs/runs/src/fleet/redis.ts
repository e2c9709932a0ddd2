import { setTimeout as pause } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { ArgosyError, Unavailable } from '#errors';
import { shownAddress, wordsOf } from './server.ts';

/** A Redis that evicts keys when its memory is full would silently lose rings. */
export class RedisEvicts extends ArgosyError {
  override readonly name = 'RedisEvicts';
  readonly code = 'redis_evicts';
  readonly retryable = false;
}

/** What a Redis says of itself; null where a provider hides it. */
export interface RedisFacts {
  readonly version: string | null;
  /** `noeviction` is the only one that loses nothing. */
  readonly policy: string | null;
  /** Whether it keeps an append-only file. */
  readonly keepsLog: boolean;
  /** What to do about the policy; null where it is as it must be. */
  readonly evicts: string | null;
}

/** What a connection may have different from the others. */
type ConnectionOptions = Pick<RedisOptions, 'enableOfflineQueue' | 'autoResendUnfulfilledCommands' | 'commandTimeout'>;

/** How long the first answer may take, a restart of the server included. */
const answerMs = 15_000;

/** The Redis of a fleet: hands out connections, and ends all of them. */
export class RedisServer {
  readonly #url: string;
  /** Host, port and database. */
  readonly where: string;
  readonly #connections: Redis[] = [];

  constructor(url: string) {
    this.where = shownAddress(url, 'ARGOSY_REDIS_URL', ['redis:', 'rediss:']);
    this.#url = url;
  }

  /** Begins to connect, and again whenever the connection breaks, within a second of the server's return. */
  connect(options: ConnectionOptions = {}): Redis {
    const connection = new Redis(this.#url, {
      // What BullMQ's workers need: they wait for the server to come back instead of failing.
      maxRetriesPerRequest: null,
      retryStrategy: (attempt) => Math.min(2 ** attempt * 25, 1000),
      connectionName: 'argosy',
      // A process that ends is held up no longer by a connection that does not.
      disconnectTimeout: 500,
      ...options,
    });
    return this.#keep(connection);
  }

  /**
   * Looks whether this Redis is fit for queues.
   * @returns what an operator should know and mend
   * @throws Unavailable, RedisEvicts
   */
  async check(limitMs = answerMs): Promise<string[]> {
    const { evicts, keepsLog } = await this.facts(limitMs);
    if (evicts !== null) throw new RedisEvicts(evicts);
    return keepsLog ? [] : [aofAdvice(this.where)];
  }

  /** What it says of itself. @throws Unavailable */
  async facts(limitMs: number): Promise<RedisFacts> {
    const connection = this.connect();
    try {
      const info = await this.#firstAnswer(connection, limitMs);
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? null;
      return {
        version: /^(?:redis|valkey)_version:(\S+)/m.exec(info)?.[1] ?? null,
        policy,
        keepsLog: !/^aof_enabled:0/m.test(info),
        evicts: policy === null || policy === 'noeviction' ? null : evictionAdvice(this.where, policy),
      };
    } finally {
      connection.disconnect();
    }
  }

  /** Ends every connection at once, copies included; whatever still waits for an answer is refused. */
  close(): void {
    for (const connection of this.#connections.splice(0)) {
      // Between two attempts, a connection that ends does not tell those who wait for it; during one it does.
      if (connection.status === 'reconnecting') connection.connect().catch(() => undefined);
      connection.disconnect();
    }
  }

  #keep(connection: Redis): Redis {
    // Whoever waits for an answer gets the error; unheard, the event would be printed.
    connection.on('error', () => undefined);
    // BullMQ's workers make one for themselves, and would wait for the server with it for ever.
    const duplicate = connection.duplicate.bind(connection);
    connection.duplicate = (changes) => this.#keep(duplicate(changes));
    this.#connections.push(connection);
    return connection;
  }

  async #firstAnswer(connection: Redis, limitMs: number): Promise<string> {
    let last: unknown = new Error(`no answer within ${limitMs} ms`);
    connection.on('error', (error) => {
      last = error;
    });
    const enough = new AbortController();
    const late = pause(limitMs, undefined, { signal: enough.signal }).then(() => Promise.reject(last));
    try {
      return await Promise.race([connection.info(), late]);
    } catch (cause) {
      const advice = 'Start it, or correct ARGOSY_REDIS_URL (redis://:password@host:port)';
      throw new Unavailable(`Redis at ${this.where} cannot be used: ${wordsOf(cause)}. ${advice}.`, { cause });
    } finally {
      enough.abort();
      late.catch(() => undefined);
    }
  }
}

function evictionAdvice(where: string, policy: string): string {
  return (
    `Redis at ${where} throws keys away when its memory is full (maxmemory-policy ${policy}), and with them queued work. ` +
    'Run `redis-cli CONFIG SET maxmemory-policy noeviction` there and put `maxmemory-policy noeviction` into its ' +
    "redis.conf; at a provider, set it in the instance's parameters."
  );
}

function aofAdvice(where: string): string {
  return (
    `Redis at ${where} keeps no append-only file, so its restart loses the rings under way; they are repeated after ` +
    'the relook time. Run `redis-cli CONFIG SET appendonly yes` there and put `appendonly yes` into its redis.conf.'
  );
}
