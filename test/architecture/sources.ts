import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync } from '@swc/core';

/** The folder of the clone. */
export const root = path.resolve(import.meta.dirname, '../..');

/** One production source: hand-written TypeScript of apps and libs, without tests and generated code. */
export interface Source {
  /** From the clone's folder, with slashes. */
  readonly file: string;
  readonly text: string;
}

export function productionSources(): Source[] {
  return ['apps', 'libs'].flatMap((top) =>
    listed(top)
      .filter(
        (file) =>
          /\.tsx?$/.test(file) &&
          !/\.(spec|contract)\.tsx?$/.test(file) &&
          !/\/(gen|fixtures|node_modules)\//.test(file),
      )
      .map((file) => ({ file, text: readFileSync(path.join(root, file), 'utf8') })),
  );
}

function listed(top: string): string[] {
  try {
    const entries = readdirSync(path.join(root, top), { recursive: true, encoding: 'utf8' });
    return entries.map((entry) => `${top}/${entry.split(path.sep).join('/')}`);
  } catch {
    return [];
  }
}

/** A node of swc's syntax tree; what else it holds depends on `type`. */
export interface SyntaxNode {
  readonly type: string;
  /** Bytes from 1, end exclusive. */
  readonly span?: { readonly start: number; readonly end: number };
  readonly [property: string]: unknown;
}

/** Every node of a file's syntax tree, parents before children. */
export function nodesOf(source: Source): SyntaxNode[] {
  const tree: unknown = parseSync(source.text, {
    syntax: 'typescript',
    tsx: source.file.endsWith('.tsx'),
    decorators: true,
    target: 'es2023',
  });
  const found: SyntaxNode[] = [];
  collect(tree, found);
  return found;
}

function collect(value: unknown, found: SyntaxNode[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found);
  } else if (value !== null && typeof value === 'object') {
    if (isNode(value)) found.push(value);
    for (const child of Object.values(value)) collect(child, found);
  }
}

function isNode(value: object): value is SyntaxNode {
  return 'type' in value && typeof value.type === 'string';
}

/** What an identifier or a literal says. */
export const named = (node: unknown): unknown => (node as { value?: unknown } | undefined)?.value;

/** The key of `x.env` and of `x['env']`. */
export function keyOf(property: unknown): unknown {
  const computed = (property as { expression?: unknown }).expression;
  return named(computed ?? property);
}

/** First and last line, from 1, of a node that has a span. */
export function linesOf(source: Source, node: SyntaxNode): { first: number; last: number } {
  const bytes = Buffer.from(source.text);
  const lineAt = (offset: number): number => bytes.subarray(0, offset).toString().split('\n').length;
  const { start, end } = node.span ?? { start: 1, end: 1 };
  return { first: lineAt(start - 1), last: lineAt(end - 1) };
}
