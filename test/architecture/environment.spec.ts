import { describe, expect, it } from '@jest/globals';
import { linesOf, nodesOf, productionSources, type Source, type SyntaxNode } from './sources.ts';

/** The only files that may read the environment: each app's composition root. */
const compositionRoot = /^apps\/[^/]+\/src\/main\.ts$/;

const named = (node: unknown): unknown => (node as { value?: unknown } | undefined)?.value;

/** The key of `x.env` and of `x['env']`. */
function keyOf(property: unknown): unknown {
  const computed = (property as { expression?: unknown }).expression;
  return named(computed ?? property);
}

function readsEnvironment(node: SyntaxNode): boolean {
  if (node.type === 'MemberExpression') return named(node['object']) === 'process' && keyOf(node['property']) === 'env';
  if (node.type !== 'ImportDeclaration' || !/^(node:)?process$/.test(String(named(node['source'])))) return false;
  const specifiers = node['specifiers'];
  return (
    Array.isArray(specifiers) && specifiers.some((specifier) => named(specifier.imported ?? specifier.local) === 'env')
  );
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

  it.each(['process.env.HOME;', "process.env['HOME'];", "process['env'];", "import { env } from 'node:process';"])(
    'is seen to be read by %s',
    (text) => {
      expect(readings({ file: 'libs/x/src/x.ts', text })).toEqual(['libs/x/src/x.ts:1']);
    },
  );

  it('is not taken to be read by a comment or another env', () => {
    expect(readings({ file: 'libs/x/src/x.ts', text: '// process.env\nrequest.env; process.pid;' })).toEqual([]);
  });
});
