/** The README of the chart: a table made of values.yaml and of what it says about each value. */
import { parseDocument } from 'yaml';

interface Described {
  readonly path: string;
  readonly what: string;
}

/** Values in their order, each with the line `# --` before it. */
export function describedValues(text: string): Described[] {
  const path: string[] = [];
  const found: Described[] = [];
  let what: string | null = null;
  for (const line of text.split('\n')) {
    const [, said] = /^\s*# -- (.+)$/.exec(line) ?? [];
    const [, indent, key] = /^( *)(\w+):/.exec(line) ?? [];
    if (key !== undefined && indent !== undefined) {
      path.splice(indent.length / 2, path.length, key);
      if (what !== null) found.push({ path: path.join('.'), what });
    }
    what = said ?? null;
  }
  return found;
}

export function readmeOf(text: string): string {
  const values = parseDocument(text);
  const rows = describedValues(text).map(({ path, what }) => {
    const value = JSON.stringify(
      values.getIn(path.split('.')) === undefined ? null : jsOf(values.getIn(path.split('.'))),
    );
    return `| \`${path}\` | \`${value.replaceAll('|', '\\|')}\` | ${what.replaceAll('|', '\\|')} |`;
  });
  return [
    '# The chart of Argosy',
    '',
    'How to install it, who may talk to whom, and what to do when something is wrong: docs/operations.md, Kubernetes. This',
    'table is made of `values.yaml`. `ci/` has sets of values to begin with.',
    '',
    '| value | default | meaning |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** Of a node of the document, what it stands for. */
function jsOf(node: unknown): unknown {
  return typeof node === 'object' && node !== null && 'toJSON' in node
    ? (node as { toJSON(): unknown }).toJSON()
    : node; // a node's own
}
