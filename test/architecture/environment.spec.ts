import { describe, expect, it } from '@jest/globals';
import { keyOf, linesOf, named, nodesOf, productionSources, type Source, type SyntaxNode } from './sources.ts';

/** The only files that may read the environment: each app's composition root. */
const compositionRoot = /^apps\/[^/]+\/src\/main\.ts$/;

/** `const { env } = process`, with or without another name. */
function takesEnvironmentApart(node: SyntaxNode): boolean {
  const properties = (node['id'] as { properties?: unknown }).properties;
  if (named(node['init']) !== 'process' || !Array.isArray(properties)) return false;
  return properties.some((property) => named(property.key) === 'env');
}

function importsEnvironment(node: SyntaxNode): boolean {
  const specifiers = node['specifiers'];
  if (!/^(node:)?process$/.test(String(named(node['source']))) || !Array.isArray(specifiers)) return false;
  return specifiers.some((specifier) => named(specifier.imported ?? specifier.local) === 'env');
}

function readsEnvironment(node: SyntaxNode): boolean {
  switch (node.type) {
    case 'MemberExpression':
      return named(node['object']) === 'process' && keyOf(node['property']) === 'env';
    case 'VariableDeclarator':
      return takesEnvironmentApart(node);
    case 'ImportDeclaration':
      return importsEnvironment(node);
    default:
      return false;
  }
}

const readings = (source: Source): string[] =>
  nodesOf(source)
    .filter(readsEnvironment)
    .map((node) => `${source.file}:${linesOf(source, node).first}`);

describe('the environment', () => {
  it('is read in the main.ts of apps alone', () => {
    const found = productionSources()
      .filter((source) => !compositionRoot.test(source.file))
      .flatMap(readings);
    expect(found).toEqual([]);
  });

  it.each([
    'process.env.HOME;',
    'const { env } = process;',
    'const { env: e } = process;',
    "process.env['HOME'];",
    "process['env'];",
    "import { env } from 'node:process';",
  ])('is seen to be read by %s', (text) => {
    expect(readings({ file: 'libs/x/src/x.ts', text })).toEqual(['libs/x/src/x.ts:1']);
  });

  it('is not taken to be read by a comment or another env', () => {
    expect(readings({ file: 'libs/x/src/x.ts', text: '// process.env\nrequest.env; process.pid;' })).toEqual([]);
  });
});
