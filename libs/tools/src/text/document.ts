/** How a document's bytes are turned into text. */
export type DocumentType = 'markdown' | 'rst' | 'plain' | 'code' | 'html' | 'pdf';

/** A stretch of a snapshot: offsets in UTF-16 code units, headings outermost first. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly headings: readonly string[];
}

/** A document made text. `sha256` and `bytes` are of the UTF-8 text. `title` is null when the content names none. */
export interface Extracted {
  readonly title: string | null;
  readonly text: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly spans: readonly Span[];
}

const BY_EXTENSION: ReadonlyMap<string, DocumentType> = new Map([
  ...['md', 'markdown', 'mdx'].map((e) => [e, 'markdown'] as const),
  ['rst', 'rst'] as const,
  ...['txt', 'text', 'log', 'csv', 'tsv'].map((e) => [e, 'plain'] as const),
  ...['html', 'htm', 'xhtml'].map((e) => [e, 'html'] as const),
  ['pdf', 'pdf'] as const,
  ...[
    'json jsonc json5 ts mts cts tsx js mjs cjs jsx py pyi go rs java kt kts scala swift rb php pl lua c h cc cpp hpp',
    'cs m mm r jl ex exs erl hs ml clj dart sh bash zsh fish ps1 sql proto graphql yaml yml toml ini cfg conf css scss',
    'less vue svelte xml cmake gradle tf',
  ].flatMap((list) => list.split(' ').map((e) => [e, 'code'] as const)),
]);

const BY_NAME: ReadonlyMap<string, DocumentType> = new Map([
  ...['readme', 'license', 'licence', 'changelog', 'changes', 'notice', 'authors', 'contributing'].map(
    (name) => [name, 'plain'] as const,
  ),
  ...['makefile', 'dockerfile'].map((name) => [name, 'code'] as const),
]);

/** The types in words, for messages. */
export const READABLE_TYPES =
  'Markdown, reStructuredText, plain text, HTML, PDF, JSON and source code (.md .rst .txt .html .pdf .json .ts .py .go ...)';

/** The type that a file name stands for; null when it is not one that is read. */
export function typeOfName(name: string): DocumentType | null {
  const lower = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  const dot = lower.lastIndexOf('.');
  if (dot <= 0) return BY_NAME.get(lower) ?? null;
  return BY_EXTENSION.get(lower.slice(dot + 1)) ?? null;
}

/**
 * The form in which every snapshot is stored: line endings `\n`, no byte order mark, and nothing that UTF-8 or the
 * database would not give back as it was (half surrogate pairs, NUL).
 */
export function normaliseText(text: string): string {
  const body = (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text).toWellFormed().replaceAll('\0', '\ufffd');
  return body.includes('\r') ? body.replace(/\r\n?/g, '\n') : body;
}
