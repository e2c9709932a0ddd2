import { existsSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { DocumentType, Extracted } from '../text/document.ts';
import { passageMeaning } from '../text/meaning.ts';
import { indexText } from '../text/terms.ts';
import { loadWordVectors } from '../text/word-vectors.ts';

/** Raised with every change of the tables or of what goes into them. */
const SCHEMA_VERSION = 5;

/** What an index must have been made with to be used: this schema and this table of word vectors. */
export function indexVersion(): number {
  return SCHEMA_VERSION * 0x10000 + loadWordVectors().fingerprint;
}

/** Another process may hold the write lock for as long as one of its batches takes. */
const BUSY_MS = 30_000;

const schema = (): string => `
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE document (
  id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, path TEXT NOT NULL, own_title TEXT, title TEXT NOT NULL,
  type TEXT NOT NULL, bytes INTEGER NOT NULL, read_at TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE file (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ms REAL NOT NULL, content TEXT NOT NULL,
  document_id INTEGER REFERENCES document (id), reason TEXT) WITHOUT ROWID;
CREATE INDEX file_document ON file (document_id);
CREATE INDEX file_content ON file (content);
CREATE TABLE passage (
  id INTEGER PRIMARY KEY, document_id INTEGER NOT NULL REFERENCES document (id), ordinal INTEGER NOT NULL,
  start INTEGER NOT NULL, finish INTEGER NOT NULL, headings TEXT NOT NULL, vector BLOB NOT NULL);
CREATE INDEX passage_document ON passage (document_id, ordinal);
CREATE VIRTUAL TABLE passage_index USING fts5 (
  title, headings, body, content='', contentless_delete=1, tokenize='porter unicode61');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (passage_index, 'row');
PRAGMA user_version = ${indexVersion()};
`;

/** A file as the index last saw it. `content` is the sha256 of its bytes; `reason` says why it has no document. */
export interface KnownFile {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly content: string;
  readonly reason: string | null;
}

/** A file's outcome to be written; `duplicate`: another file of the same bytes has a document already. */
export interface FileResult {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly content: string;
  readonly type: DocumentType;
  readonly result: Extracted | { readonly reason: string } | 'duplicate';
}

/** The write side of one corpus's SQLite file. Every method blocks: for a worker thread. */
export class Store {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Opens or makes the index at `file`. `notice` tells when one was there that could not be used. */
  static open(file: string): { store: Store; notice: string | null } {
    const marker = `${file}.damaged`;
    let notice: string | null = null;
    if (existsSync(marker)) {
      removeIndex(file);
      notice = 'The index was damaged and has been built anew.';
    }
    try {
      const store = Store.#connect(file);
      const version = store.#value<number>('PRAGMA user_version');
      if (version === indexVersion()) return { store, notice };
      const isNew = store.#value<number>('SELECT count(*) FROM sqlite_schema') === 0;
      if (isNew) {
        store.#create();
        return { store, notice };
      }
      store.close();
      notice = 'The index was made by another version of Argosy and has been built anew.';
    } catch (error) {
      if (!isDamage(error)) throw error;
      notice = 'The index was damaged and has been built anew.';
    }
    removeIndex(file);
    const store = Store.#connect(file);
    store.#create();
    return { store, notice };
  }

  static #connect(file: string): Store {
    const db = new DatabaseSync(file, { timeout: BUSY_MS });
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536');
      return new Store(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  #create(): void {
    this.transaction(() => {
      // Another process may have made the tables while this one waited for the lock.
      if (this.#value<number>('PRAGMA user_version') !== indexVersion()) this.#db.exec(schema());
    });
  }

  close(): void {
    this.#db.close();
  }

  /** Runs `work` in one write transaction: all of it is in the file afterwards, or nothing. */
  transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  setting(key: string): string | null {
    return (this.#prepare('SELECT value FROM setting WHERE key = ?').get(key)?.['value'] as string | undefined) ?? null;
  }

  set(key: string, value: string): void {
    this.#prepare('INSERT OR REPLACE INTO setting VALUES (?, ?)').run(key, value);
  }

  files(): Map<string, KnownFile> {
    const rows = this.#prepare('SELECT path, size, mtime_ms AS mtimeMs, content, reason FROM file').all();
    return new Map((rows as unknown as KnownFile[]).map((row) => [row.path, row])); // columns as in KnownFile
  }

  counts(): { documents: number; passages: number } {
    const documents = this.#value<number>('SELECT count(*) FROM document');
    return { documents, passages: this.#value<number>('SELECT count(*) FROM passage') };
  }

  /** Files that share a document with an earlier path: `[path, path of the document]`. */
  duplicates(): [string, string][] {
    const rows = this.#prepare(
      'SELECT f.path AS path, d.path AS first FROM file f JOIN document d ON d.id = f.document_id WHERE f.path <> d.path ORDER BY f.path',
    ).all();
    return rows.map((row) => [String(row['path']), String(row['first'])]);
  }

  /** The document that bytes of this sha256 and type were made into before. */
  documentOf(content: string, type: DocumentType): number | null {
    const row = this.#prepare(
      'SELECT f.document_id AS id FROM file f JOIN document d ON d.id = f.document_id WHERE f.content = ? AND d.type = ? LIMIT 1',
    ).get(content, type);
    return (row?.['id'] as number | undefined) ?? null;
  }

  /** A file whose bytes are as before gets its new size and time. */
  touch(path: string, size: number, mtimeMs: number): void {
    this.#prepare('UPDATE file SET size = ?, mtime_ms = ? WHERE path = ?').run(size, mtimeMs, path);
  }

  /**
   * Writes a file's outcome in place of what was known of it. Inside a {@link transaction}. A duplicate whose first copy
   * another process has just removed is left unknown: the next sync reads it.
   */
  put(file: FileResult, readAt: string): void {
    const before = this.#documentOfFile(file.path);
    const { result } = file;
    let document: number | null = null;
    if (result === 'duplicate') document = this.documentOf(file.content, file.type);
    else if ('text' in result) document = this.#documentId(file, result, readAt);
    if (result === 'duplicate' && document === null) return;
    const reason = result !== 'duplicate' && 'reason' in result ? result.reason : null;
    this.#prepare('INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?)').run(
      ...([file.path, file.size, file.mtimeMs, file.content, document, reason] as const),
    );
    if (document !== null) this.#settleOwner(document);
    if (before !== null && before !== document) this.#settleOwner(before);
  }

  /** Forgets a file; its document goes with it unless another file has the same content. Inside a {@link transaction}. */
  drop(path: string): void {
    const document = this.#documentOfFile(path);
    this.#prepare('DELETE FROM file WHERE path = ?').run(path);
    if (document !== null) this.#settleOwner(document);
  }

  /** Merges the full-text index's parts: queries after a large change are faster for it. */
  optimise(): void {
    this.#db.exec("INSERT INTO passage_index (passage_index) VALUES ('optimize')");
  }

  /** Makes the index one compact file without side files; it is not written to again. */
  seal(): void {
    this.#db.exec('PRAGMA journal_mode = DELETE; VACUUM');
  }

  #documentOfFile(path: string): number | null {
    const row = this.#prepare('SELECT document_id AS id FROM file WHERE path = ?').get(path);
    return (row?.['id'] as number | null | undefined) ?? null;
  }

  #documentId(file: FileResult, text: Extracted, readAt: string): number {
    const known = this.#prepare('SELECT id FROM document WHERE sha256 = ?').get(text.sha256);
    if (known) return known['id'] as number;
    const title = text.title ?? basename(file.path);
    const { lastInsertRowid } = this.#prepare(
      'INSERT INTO document (sha256, path, own_title, title, type, bytes, read_at, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ).run(text.sha256, file.path, text.title, title, file.type, text.bytes, readAt, text.text);
    const id = Number(lastInsertRowid);
    text.spans.forEach((span, ordinal) => {
      // `Page 3` above a PDF's passage is for the reader; in the index it would match every question with "page".
      const headings = file.type === 'pdf' ? '' : span.headings.join('\n');
      const body = text.text.slice(span.start, span.end);
      const passage = this.#prepare(
        'INSERT INTO passage (document_id, ordinal, start, finish, headings, vector) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(
        ...([
          id,
          ordinal,
          span.start,
          span.end,
          JSON.stringify(span.headings),
          passageMeaning([title, headings], body),
        ] as const),
      );
      this.#index(Number(passage.lastInsertRowid), title, indexText(headings), indexText(body));
    });
    return id;
  }

  #index(id: number, title: string, headings: string, body: string): void {
    this.#prepare('INSERT INTO passage_index (rowid, title, headings, body) VALUES (?, ?, ?, ?)').run(
      ...([id, indexText(title), headings, body] as const),
    );
  }

  /** A document belongs to the first of its files by path, and ends with the last of them. */
  #settleOwner(id: number): void {
    const first = this.#prepare('SELECT min(path) AS path FROM file WHERE document_id = ?').get(id)?.['path'];
    if (typeof first === 'string') {
      this.#prepare('UPDATE document SET path = ?, title = coalesce(own_title, ?) WHERE id = ? AND path <> ?').run(
        ...([first, basename(first), id, first] as const),
      );
      return;
    }
    this.#prepare('DELETE FROM passage_index WHERE rowid IN (SELECT id FROM passage WHERE document_id = ?)').run(id);
    this.#prepare('DELETE FROM passage WHERE document_id = ?').run(id);
    this.#prepare('DELETE FROM document WHERE id = ?').run(id);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #value<T>(sql: string): T {
    const row = this.#db.prepare(sql).get() ?? {};
    return Object.values(row)[0] as T; // the caller names the one column's type
  }
}

/** Removes an index with its side files. */
export function removeIndex(file: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal', '.damaged']) rmSync(file + suffix, { force: true });
}

/** True for SQLite's word that the file is no database or is broken (SQLITE_CORRUPT 11, SQLITE_NOTADB 26). */
export function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: number } | null)?.errcode;
  return code !== undefined && [11, 26].includes(code & 0xff);
}
