import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Unavailable } from '#errors';
import { Meanings } from './meanings.ts';
import { indexVersion, isDamage } from './store.ts';

/** Whether there is an index at `file` that this release can read, and the format of those. */
export function probe(file: string): { usable: boolean; format: number } {
  const format = indexVersion();
  if (!existsSync(file) || existsSync(`${file}.damaged`)) return { usable: false, format };
  try {
    new OpenIndex(file, 0).close();
    return { usable: true, format };
  } catch (error) {
    if (!(error instanceof Unavailable) && !isDamage(error)) throw error;
    return { usable: false, format };
  }
}

/** One index opened for reading. */
export class OpenIndex {
  readonly inode: number;
  #meanings: Meanings | null = null;
  #meaningsVersion = -1;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(file: string, inode: number) {
    this.inode = inode;
    this.#db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    const version = this.#db.prepare('PRAGMA user_version').get()?.['user_version'];
    if (version === indexVersion()) return;
    this.#db.close();
    throw new Unavailable(
      'The index was made by another version of Argosy or is just being made; read the folder in again.',
    );
  }

  /** Meanings of all passages, read anew when another connection has written. */
  get meanings(): Meanings {
    const version = Number(this.get('PRAGMA data_version')?.['data_version']);
    if (this.#meanings === null || version !== this.#meaningsVersion) {
      this.#meanings = new Meanings(this.all('SELECT id, vector FROM passage ORDER BY id'));
      this.#meaningsVersion = version;
    }
    return this.#meanings;
  }

  get(sql: string, ...values: unknown[]) {
    return this.#prepare(sql).get(...(values as string[])); // strings and numbers only, from this file
  }

  all(sql: string, ...values: unknown[]) {
    return this.#prepare(sql).all(...(values as string[])); // strings and numbers only, from this file
  }

  snapshot<T>(work: () => T): T {
    this.#db.exec('BEGIN');
    try {
      return work();
    } finally {
      if (this.#db.isTransaction) this.#db.exec('COMMIT');
    }
  }

  close(): void {
    this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}

/** The last used texts, up to a number of characters. */
export class TextCache {
  readonly #limit: number;
  readonly #texts = new Map<string, string>();
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): string | undefined {
    const text = this.#texts.get(key);
    if (text === undefined) return undefined;
    this.#texts.delete(key);
    this.#texts.set(key, text);
    return text;
  }

  set(key: string, text: string): void {
    this.#texts.set(key, text);
    this.#size += text.length;
    for (const [oldest, old] of this.#texts) {
      if (this.#size <= this.#limit) return;
      this.#texts.delete(oldest);
      this.#size -= old.length;
    }
  }
}
