import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';

/** Largest file of a corpus, in bytes. */
export const fileLimit = 64 * 1024 * 1024;

/** Bounds of one corpus. */
const most = { files: 100_000, totalBytes: 2 * 1024 * 1024 * 1024 } as const;

/** Largest body of `POST /v1/corpora`, in bytes: a manifest of 100,000 files with paths of 150 characters. */
export const corpusBodyLimit = 32 * 1024 * 1024;

/** Faults of a manifest that are told one by one; of a hundred thousand, nobody reads more. */
const mostFaults = 20;

/** How a file of a corpus is called. */
export const fileHash = z.string().regex(/^[0-9a-f]{64}$/, 'the sha256 of the bytes, 64 lower-case hex digits');

/** A file's place in its folder. It names the document; no server opens it. */
export const corpusPath = z
  .string()
  .max(1024)
  .refine(isNormalised, 'a path below the folder: parts between single /, none of them . or .., no control characters');

function isNormalised(path: string): boolean {
  if (!path.isWellFormed() || /\p{Cc}/u.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

const file = z.strictObject({ path: corpusPath, sha256: fileHash, bytes: z.int().min(1).max(fileLimit) });

/** A file of a corpus by the hash of its bytes. */
export type CorpusFile = z.infer<typeof file>;

/** Files of a manifest that are checked before other work has its turn: some milliseconds. */
const filesPerTurn = 1_000;

const exampleCorpus = {
  id: 'c_0123456789abcdef',
  name: 'docs',
  status: 'uploading',
  files: 1,
  bytes: 61,
  missing: ['5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9'],
  documents: null,
  passages: null,
  skipped: null,
  skips: [],
  error: null,
  created_at: '2026-01-31T12:00:00.000Z',
};

/** Body of `POST /v1/corpora`. Asynchronous, so that a large one stops nobody else. */
export const corpusBody = z
  .strictObject({
    name: z
      .string()
      .max(255)
      .refine(
        (name) => isNormalised(name) && !name.includes('/'),
        'a name such as docs, without / or control characters',
      ),
    files: z
      .array(z.unknown())
      .min(1, 'there is no file: a corpus needs at least one')
      .max(most.files, `a corpus holds at most ${most.files} files: split the folder`)
      .transform(async (items, context) => {
        const { files, faults } = await readFiles(items);
        for (const { path, message } of faults.slice(0, mostFaults)) {
          context.addIssue({ code: 'custom', path: [...path], message });
        }
        if (faults.length > mostFaults) context.addIssue({ code: 'custom', message: 'and more files with faults' });
        return files;
      })
      .meta({ description: 'At most 100,000, of 2 GiB together.', items: z.toJSONSchema(file, { io: 'input' }) }),
  })
  .meta({
    id: 'CorpusOffer',
    description: 'A folder, by the hashes of its files.',
    examples: [{ name: 'docs', files: [{ path: 'leases.md', sha256: exampleCorpus.missing[0], bytes: 61 }] }],
  });
export type CorpusBody = z.infer<typeof corpusBody>;

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Reads on until there are more faults than are told. */
async function readFiles(items: readonly unknown[]): Promise<{ files: CorpusFile[]; faults: Fault[] }> {
  const files: CorpusFile[] = [];
  const faults: Fault[] = [];
  const seen = new Set<string>();
  let total = 0;
  for (const [index, item] of items.entries()) {
    if (faults.length > mostFaults) break;
    if (index % filesPerTurn === filesPerTurn - 1) await nextTurn();
    const parsed = file.safeParse(item);
    if (!parsed.success) {
      faults.push(...parsed.error.issues.map(({ path, message }) => ({ path: [index, ...path], message })));
      continue;
    }
    const { path, bytes } = parsed.data;
    if (seen.has(path)) faults.push({ path: [index, 'path'], message: `${path} stands here twice` });
    seen.add(path);
    total += bytes;
    files.push(parsed.data);
  }
  if (total > most.totalBytes) {
    faults.unshift({ path: [], message: `${total} bytes are more than the ${most.totalBytes} of one corpus` });
  }
  return { files, faults };
}

/** A corpus as the API shows it. */
export const corpusResource = z
  .object({
    id: z.string(),
    name: z.string(),
    status: z.enum(['uploading', 'indexing', 'ready', 'failed']).meta({
      description: '`ready`: runs may search it. `failed`: `error` says why; offering it again tries again.',
    }),
    files: z.int(),
    bytes: z.int(),
    missing: z.array(z.string()).meta({
      description:
        'While uploading: hashes of files that are still to be sent, the first 10,000. Lists leave them out.',
    }),
    documents: z.int().nullable(),
    passages: z.int().nullable(),
    skipped: z.int().nullable().meta({ description: 'Files that gave no document.' }),
    skips: z
      .array(z.object({ path: z.string(), reason: z.string() }))
      .meta({ description: 'The first of these files, with the reason.' }),
    error: z.string().nullable(),
    created_at: z.string(),
  })
  .meta({ id: 'Corpus', description: 'A folder of documents.', examples: [exampleCorpus] });
export type CorpusResource = z.infer<typeof corpusResource>;

/** A page of corpora. */
export const corpusList = z
  .object({
    data: z.array(corpusResource),
    next: z.string().nullable().meta({ description: '`before` of the next page; null on the last one.' }),
  })
  .meta({ id: 'CorpusList', description: 'Corpora, newest first.', examples: [{ data: [exampleCorpus], next: null }] });
export type CorpusList = z.infer<typeof corpusList>;
