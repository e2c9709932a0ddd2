import { statSync, writeFileSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Passage } from '#domain';
import { subjectWords, wordsOf } from '#domain';
import { NotFound, Unavailable } from '#errors';
import { questionMeaning } from '../text/meaning.ts';
import { quoteTerm, spellings } from '../text/terms.ts';
import { OpenIndex, TextCache } from './open-index.ts';
import { rank } from './rank.ts';
import { isDamage } from './store.ts';
import type { Candidate, CorpusDocument, CorpusFile, Statistics, TermQuery } from './types.ts';
import { widen } from './widen.ts';

/** Weights of title, headings and body in a search. */
const COLUMN_WEIGHTS = 'bm25(2.0, 3.0, 1.0)';
/** FTS5's own default, for the control of the benchmark. */
const PLAIN_WEIGHTS = 'bm25()';
/** Characters of document texts kept at hand between queries. */
const CACHE_CHARACTERS = 32_000_000;
/** A word in more than this share of all passages tells nothing. */
const COMMON_SHARE = 0.2;
/** Hits of a question. */
const HITS = 10;
/** Passages of each order that are ranked for one question. */
const CANDIDATES = 100;
/** More terms than this in one expression help nobody and cost time. */
const MOST_TERMS = 64;

const MATCH = `
SELECT p.ordinal, p.start, p.finish, p.headings, d.id AS document, d.sha256, d.path, d.title, d.bytes, d.read_at, hit.rank
FROM (SELECT rowid, rank FROM passage_index WHERE passage_index MATCH ? AND rank MATCH ? ORDER BY rank LIMIT ?) AS hit
JOIN passage p ON p.id = hit.rowid JOIN document d ON d.id = p.document_id ORDER BY hit.rank, p.id`;

const NEAREST = `
SELECT p.ordinal, p.start, p.finish, p.headings, d.id AS document, d.sha256, d.path, d.title, d.bytes, d.read_at, 0 AS rank
FROM passage p JOIN document d ON d.id = p.document_id WHERE p.id = ?`;

interface MatchRow {
  readonly ordinal: number;
  readonly start: number;
  readonly finish: number;
  readonly headings: string;
  readonly document: number;
  readonly sha256: string;
  readonly path: string;
  readonly title: string;
  readonly bytes: number;
  readonly read_at: string;
  readonly rank: number;
}

/** The read side of many indexes. Every method blocks: for a worker thread of its own, so that indexing is not waited for. */
export class Reader {
  readonly #open = new Map<string, OpenIndex>();
  readonly #texts = new TextCache(CACHE_CHARACTERS);

  /** Name and root that an index was made with. @throws NotFound */
  describe(file: string, id: string): { name: string } {
    const sql = "SELECT value FROM setting WHERE key = 'name'";
    return this.#guard({ id, file, name: id }, (index) => ({ name: String(index.get(sql)?.['value'] ?? id) }));
  }

  /** The best passages for a question, by its words and by its meaning, ranked; all in this thread. */
  search(corpora: readonly CorpusFile[], question: string): Candidate[] {
    const query = termQuery(question);
    const statistics = this.statistics(
      corpora,
      query.groups.flatMap((group) => group.terms),
    );
    const byWords = this.match(corpora, tellingTerms(query, statistics), CANDIDATES);
    const byMeaning = this.#nearest(corpora, question, CANDIDATES);
    return this.#widened(corpora, rank({ byWords, byMeaning }, query, statistics));
  }

  /** Each passage with its neighbours; one that stands in a better one's wider text is left out. */
  #widened(corpora: readonly CorpusFile[], ranked: readonly Candidate[]): Candidate[] {
    const kept: Candidate[] = [];
    for (const candidate of ranked) {
      if (kept.length === HITS) break;
      if (
        kept.some((hit) => hit.sha256 === candidate.sha256 && hit.start <= candidate.start && hit.end >= candidate.end)
      ) {
        continue;
      }
      const document = this.document(corpora, candidate.uri);
      const at = document?.passages.findIndex(({ start }) => start === candidate.start) ?? -1;
      if (document === null || at < 0) continue;
      const { start, end } = widen(document.passages, at);
      kept.push({ ...candidate, start, end, text: document.text.slice(start, end) });
    }
    return kept;
  }

  match(corpora: readonly CorpusFile[], query: TermQuery, limit: number): Candidate[] {
    const expression = expressionOf(query.groups.flatMap((group) => group.terms));
    return this.#ranked(corpora, expression, { weights: COLUMN_WEIGHTS, limit });
  }

  /** Passages whose meaning is nearest to the question's, by the word vectors of both. */
  #nearest(corpora: readonly CorpusFile[], question: string, limit: number): Candidate[] {
    const meaning = questionMeaning(question);
    const found = corpora.flatMap((corpus) =>
      this.#guard(corpus, (index) =>
        index.meanings.nearest(meaning, limit).map(({ id, cosine }) => {
          const row = index.get(NEAREST, id) as unknown as MatchRow; // columns of NEAREST
          return { ...this.#candidate(index, corpus, row), score: cosine, cosine };
        }),
      ),
    );
    return found.sort((a, b) => b.cosine - a.cosine).slice(0, limit);
  }

  /** Every word of the question, joined by OR, under FTS5's default bm25. */
  plainSearch(corpora: readonly CorpusFile[], question: string, limit: number): Candidate[] {
    return this.#ranked(corpora, expressionOf(wordsOf(question)), { weights: PLAIN_WEIGHTS, limit });
  }

  statistics(corpora: readonly CorpusFile[], terms: readonly string[]): Statistics {
    let passages = 0;
    const documentFrequency: Record<string, number> = Object.fromEntries(terms.map((term) => [term, 0]));
    for (const corpus of corpora) {
      this.#guard(corpus, (index) => {
        passages += Number(index.get('SELECT count(*) AS n FROM passage')?.['n'] ?? 0);
        for (const term of new Set(terms)) {
          documentFrequency[term] = (documentFrequency[term] ?? 0) + this.#frequency(index, term);
        }
      });
    }
    return { passages, documentFrequency };
  }

  document(corpora: readonly CorpusFile[], uri: string): CorpusDocument | null {
    for (const corpus of corpora) {
      const prefix = `corpus:${corpus.name}/`;
      if (!uri.startsWith(prefix)) continue;
      const found = this.#guard(corpus, (index) => this.#document(index, corpus, uri.slice(prefix.length)));
      if (found) return found;
    }
    return null;
  }

  /** Snapshot texts by sha256; those that no corpus holds are missing from the result. */
  texts(corpora: readonly CorpusFile[], hashes: readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    for (const corpus of corpora) {
      this.#guard(corpus, (index) => {
        for (const sha256 of hashes) {
          if (found.has(sha256)) continue;
          const text = this.#text(index, sha256);
          if (text !== null) found.set(sha256, text);
        }
      });
    }
    return found;
  }

  #ranked(
    corpora: readonly CorpusFile[],
    expression: string | null,
    how: { weights: string; limit: number },
  ): Candidate[] {
    if (expression === null) return [];
    const found = corpora.flatMap((corpus) =>
      this.#guard(corpus, (index) => {
        const rows = index.all(MATCH, expression, how.weights, how.limit) as unknown as MatchRow[]; // columns of MATCH
        return rows.map((row) => this.#candidate(index, corpus, row));
      }),
    );
    return corpora.length > 1 ? found.sort((a, b) => b.bm25 - a.bm25).slice(0, how.limit) : found;
  }

  #candidate(index: OpenIndex, corpus: CorpusFile, row: MatchRow): Candidate {
    const text = (this.#text(index, row.sha256) ?? '').slice(row.start, row.finish);
    const bm25 = -row.rank;
    const place = { sha256: row.sha256, start: row.start, end: row.finish, text, headings: headingsOf(row.headings) };
    const source = { uri: uriOf(corpus, row.path), title: row.title, bytes: row.bytes, fetchedAt: row.read_at };
    return { ...place, score: bm25, ...source, bm25, cosine: 0, order: row.ordinal };
  }

  /** A word's count comes from the vocabulary by its stem; what the tokenizer makes several words of is counted as a phrase. */
  #frequency(index: OpenIndex, term: string): number {
    const quoted = quoteTerm(term);
    if (quoted === null) return 0;
    const stems = stemsOf(term);
    if (stems.length === 1 && stems[0]) {
      return Number(index.get('SELECT doc FROM vocabulary WHERE term = ?', stems[0])?.['doc'] ?? 0);
    }
    return Number(index.get('SELECT count(*) AS n FROM passage_index WHERE passage_index MATCH ?', quoted)?.['n'] ?? 0);
  }

  #document(index: OpenIndex, corpus: CorpusFile, path: string): CorpusDocument | null {
    const row = index.get(
      'SELECT d.id, d.sha256, d.path, d.title, d.bytes, d.read_at FROM file f JOIN document d ON d.id = f.document_id WHERE f.path = ?',
      path,
    );
    if (!row) return null;
    const sha256 = String(row['sha256']);
    const text = this.#text(index, sha256) ?? '';
    const spans = index.all(
      'SELECT start, finish, headings FROM passage WHERE document_id = ? ORDER BY ordinal',
      row['id'],
    );
    const passages = spans.map((span): Passage => {
      const [start, end] = [Number(span['start']), Number(span['finish'])];
      return { sha256, start, end, text: text.slice(start, end), headings: headingsOf(span['headings']), score: 0 };
    });
    const uri = uriOf(corpus, String(row['path']));
    const fetchedAt = String(row['read_at']);
    return {
      source: { uri, title: String(row['title']), sha256, bytes: Number(row['bytes']), fetchedAt },
      text,
      passages,
    };
  }

  #text(index: OpenIndex, sha256: string): string | null {
    const cached = this.#texts.get(sha256);
    if (cached !== undefined) return cached;
    const text = index.get('SELECT text FROM document WHERE sha256 = ?', sha256)?.['text'];
    if (typeof text !== 'string') return null;
    this.#texts.set(sha256, text);
    return text;
  }

  #guard<T>(corpus: CorpusFile, work: (index: OpenIndex) => T): T {
    try {
      const index = this.#index(corpus);
      // One read transaction: a sync in between must not part the hits from their documents.
      return index.snapshot(() => work(index));
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#open.get(corpus.file)?.close();
      this.#open.delete(corpus.file);
      // The next sync sees the mark and builds the index anew.
      writeFileSync(`${corpus.file}.damaged`, '');
      throw new Unavailable(`The index of ${corpus.name} is damaged; read the folder in again to rebuild it.`, {
        cause: error,
      });
    }
  }

  #index({ id, file, name }: CorpusFile): OpenIndex {
    const inode = statSync(file, { throwIfNoEntry: false })?.ino;
    const known = this.#open.get(file);
    if (known && known.inode === inode) return known;
    known?.close();
    this.#open.delete(file);
    if (inode === undefined) throw new NotFound(`There is no corpus ${name} (${id}); read its folder in first.`);
    const index = new OpenIndex(file, inode);
    this.#open.set(file, index);
    return index;
  }
}

/** One group for each word that carries the subject; an identifier may also be met by its parts. */
function termQuery(question: string): TermQuery {
  return { groups: subjectWords(question).map((word) => ({ terms: spellings(word), weight: 1 })) };
}

/** Without words that stand in a large part of all passages: they cost most of the time and move nothing in BM25. */
function tellingTerms(query: TermQuery, { passages, documentFrequency }: Statistics): TermQuery {
  const telling = query.groups.filter(({ terms }) =>
    terms.every((term) => (documentFrequency[term] ?? 0) <= COMMON_SHARE * passages),
  );
  return telling.length > 0 ? { groups: telling } : query;
}

function expressionOf(terms: readonly string[]): string | null {
  const quoted = new Set(terms.map(quoteTerm).filter((term) => term !== null));
  return quoted.size > 0 ? [...quoted].slice(0, MOST_TERMS).join(' OR ') : null;
}

let stemmer: { db: DatabaseSync; put: StatementSync; read: StatementSync; clear: StatementSync } | null = null;

/** A term as the index's own tokenizer cuts and stems it: asked of the tokenizer, not imitated. */
function stemsOf(term: string): string[] {
  if (!stemmer) {
    const db = new DatabaseSync(':memory:');
    db.exec(`CREATE VIRTUAL TABLE word USING fts5 (body, tokenize='porter unicode61');
      CREATE VIRTUAL TABLE stem USING fts5vocab (word, 'instance');`);
    const put = db.prepare('INSERT INTO word (rowid, body) VALUES (1, ?)');
    const read = db.prepare('SELECT term FROM stem ORDER BY offset');
    stemmer = { db, put, read, clear: db.prepare('DELETE FROM word') };
  }
  stemmer.put.run((quoteTerm(term) ?? '').replaceAll('"', ' '));
  const stems = stemmer.read.all().map((row) => String(row['term']));
  stemmer.clear.run();
  return stems;
}

function uriOf(corpus: CorpusFile, path: string): string {
  return `corpus:${corpus.name}/${path}`;
}

function headingsOf(json: unknown): readonly string[] {
  return JSON.parse(String(json)) as readonly string[]; // written by Store
}
