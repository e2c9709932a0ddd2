/**
 * Writes the passages of an index folder and the questions of a set (`dev` or `test`) as JSON, for evaluate.py and
 * bound.py.
 * Usage: node scripts/word-vectors/dump-passages.ts INDEX_DIR OUT_DIR SET
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Corpora } from '#tools';

const [indexDir, outDir, set] = process.argv.slice(2);
if (indexDir === undefined || outDir === undefined || (set !== 'dev' && set !== 'test'))
  throw new Error('Usage: dump-passages.ts INDEX_DIR OUT_DIR dev|test');
const questionsFile = new URL(`../../test/bench/questions/${set}.json`, import.meta.url);
const { questions } = JSON.parse(await readFile(questionsFile, 'utf8')) as {
  questions: { id: string; collection: string; question: string }[];
};
const collections = new Map<string, string>();
const passages: Record<string, unknown> = {};
for (const file of await readdir(indexDir)) {
  if (!file.endsWith('.sqlite')) continue;
  const db = new DatabaseSync(join(indexDir, file), { readOnly: true });
  const name = String(db.prepare("SELECT value FROM setting WHERE key = 'name'").get()?.['value'] ?? file);
  collections.set(name, file.replace('.sqlite', ''));
  const rows = db
    .prepare(
      'SELECT d.title, d.path, p.headings, p.start, p.finish, d.id AS doc, d.text FROM passage p JOIN document d ON d.id = p.document_id ORDER BY p.id',
    )
    .all();
  passages[name] = rows.map((row) => ({
    title: row['title'],
    path: row['path'],
    headings: JSON.parse(String(row['headings'])) as unknown,
    start: row['start'],
    doc: row['doc'],
    text: String(row['text']).slice(Number(row['start']), Number(row['finish'])),
  }));
  db.close();
}
const corpora = await Corpora.open(indexDir);
const ranked: unknown[] = [];
for (const question of questions) {
  const name = [...collections.keys()].find(
    (key) =>
      key === question.collection ||
      (question.collection === 'debian-faq' && key === 'FAQ') ||
      (question.collection === 'postgresql-doc-15' && key === 'html'),
  );
  const id = collections.get(name ?? '');
  if (id === undefined) throw new Error(`no index for ${question.collection}: ${[...collections.keys()].join(', ')}`);
  const hits = await corpora.plainSearch([id], question.question, 100);
  ranked.push({
    ...question,
    index: name,
    plain: hits.map(({ title, headings, text, order, uri }) => ({ title, headings, text, order, uri })),
  });
}
await corpora.close();
await writeFile(join(outDir, `${set}.json`), JSON.stringify({ questions: ranked, passages }));
