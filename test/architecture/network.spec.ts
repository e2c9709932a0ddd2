/** Ways to the network that no import shows; the layer table has those that one does. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { keyOf, linesOf, named, nodesOf, productionSources, root, type Source, type SyntaxNode } from './sources.ts';

const globals: ReadonlySet<unknown> = new Set(['fetch', 'WebSocket', 'EventSource']);
const globalObjects: ReadonlySet<unknown> = new Set(['globalThis', 'global', 'self']);
const loaders: ReadonlySet<unknown> = new Set(['getBuiltinModule', 'binding', '_linkedBinding', 'createRequire']);

/** `globalThis.fetch`, also where the key is computed; `process.getBuiltinModule`. */
function reaches(node: SyntaxNode): boolean {
  const object = named(node['object']);
  const key = keyOf(node['property']);
  if (object === 'process') return loaders.has(key);
  const { type, expression } = node['property'] as SyntaxNode & { expression?: SyntaxNode };
  const unknowable = type === 'Computed' && expression?.type !== 'StringLiteral';
  return globalObjects.has(object) && (globals.has(key) || unknowable);
}

/** `const { fetch } = globalThis`, with or without another name. */
function takesApart(node: SyntaxNode): boolean {
  const properties = (node['id'] as { properties?: unknown }).properties;
  if (!Array.isArray(properties)) return false;
  const from = named(node['init']);
  const keys = properties.map((property) => named(property.key));
  return (
    (globalObjects.has(from) && keys.some((key) => globals.has(key))) ||
    (from === 'process' && keys.some((key) => loaders.has(key)))
  );
}

/** `import(name)`, of which the layer table sees nothing, and `require`. */
function loads(node: SyntaxNode): boolean {
  const { type } = node['callee'] as SyntaxNode;
  const [first] = node['arguments'] as { expression: SyntaxNode }[];
  if (type === 'Import') return first?.expression.type !== 'StringLiteral';
  return named(node['callee']) === 'require';
}

function importsLoader(node: SyntaxNode): boolean {
  const specifiers = node['specifiers'] as { imported?: unknown; local: unknown }[];
  if (!/^(node:)?(module|process)$/.test(String(named(node['source'])))) return false;
  return specifiers.some(({ imported, local }) => loaders.has(named(imported ?? local)));
}

function goesRound(node: SyntaxNode): boolean {
  switch (node.type) {
    case 'MemberExpression':
      return reaches(node);
    case 'VariableDeclarator':
      return takesApart(node);
    case 'CallExpression':
      return loads(node);
    case 'ImportDeclaration':
      return importsLoader(node);
    default:
      return false;
  }
}

const detours = (source: Source): string[] =>
  nodesOf(source)
    .filter(goesRound)
    .map((node) => `${source.file}:${linesOf(source, node).first}`);

describe('ways round the layer table and the linter', () => {
  it('are taken nowhere', () => {
    expect(productionSources().flatMap(detours)).toEqual([]);
  });

  it.each([
    "globalThis.fetch('x');",
    "globalThis['fetch']('x');",
    'globalThis[name];',
    "new global.WebSocket('x');",
    'const { fetch } = globalThis;',
    'const { EventSource: Events } = globalThis;',
    "process.getBuiltinModule('net');",
    'const { getBuiltinModule } = process;',
    "import { getBuiltinModule } from 'node:process';",
    "import { createRequire } from 'node:module';",
    "import { createRequire as load } from 'module';",
    "require('net');",
    'import(name);',
    'import(`node:net`);',
  ])('are seen in %s', (text) => {
    expect(detours({ file: 'libs/x/src/x.ts', text })).toEqual(['libs/x/src/x.ts:1']);
  });

  it('are not seen in what only looks like one', () => {
    const text =
      "egress.fetch('x'); parts.global.url; import('./later.ts'); process.pid; globalThis.setTimeout; // fetch()";
    expect(detours({ file: 'libs/x/src/x.ts', text })).toEqual([]);
  });
});

const uses = ["fetch('x');", 'const get = fetch; get(1);', "new WebSocket('x');", "new EventSource('x');"];
const closed = [
  'libs/tools',
  'libs/runs',
  'libs/domain',
  'libs/platform',
  'apps/gateway',
  'apps/tool-worker',
  'apps/egress',
];
const open = ['libs/egress', 'libs/model', 'apps/cli'];

const plantedIn = (folders: readonly string[]) =>
  folders.flatMap((folder) => uses.map((text, index) => ({ file: `${folder}/src/use-${index}.ts`, text })));

describe('the global ways to the network', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'argosy-globals-'));
  let caught: ReadonlySet<string> = new Set();

  beforeAll(async () => {
    cpSync(path.join(root, 'biome.json'), path.join(folder, 'biome.json'));
    const allowed = [...plantedIn(open), { file: 'libs/tools/src/x.spec.ts', text: "fetch('x');" }];
    for (const { file, text } of [...plantedIn(closed), ...allowed]) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), `${text}\n`);
    }
    const program = path.join(root, 'node_modules/.bin/biome');
    const args = ['lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', '.'];
    // It ends with 1, for it finds what was planted.
    const linting = promisify(execFile)(program, args, { cwd: folder });
    const { stdout } = await linting.catch((error: { stdout: string }) => error);
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { category: string; location: { path: string } }[] };
    const found = diagnostics.filter(({ category }) => category === 'lint/style/noRestrictedGlobals');
    caught = new Set(found.map(({ location }) => location.path));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(plantedIn(closed))('are caught in $file: $text', ({ file }) => {
    expect(caught).toContain(file);
  });

  it('are free where requests are made for the operator, and in tests', () => {
    const files = new Set(plantedIn(closed).map(({ file }) => file));
    expect([...caught].filter((file) => !files.has(file))).toEqual([]);
  });
});
