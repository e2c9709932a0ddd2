import { linesOf, nodesOf, type Source, type SyntaxNode } from './sources.ts';

/** Upper bounds: a file in lines, a function in lines (first to last), and its parameters. */
const budget = { fileLines: 300, functionLines: 40, parameters: 4 };

const functionTypes = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
  'GetterProperty',
  'SetterProperty',
]);

/** What in a source is over budget, as `file`, or `file:line name` for a function, with the figure. */
export function overBudget(source: Source): string[] {
  const fileLines = source.text.replace(/\n$/, '').split('\n').length;
  const file = fileLines > budget.fileLines ? [`${source.file} has ${fileLines} lines`] : [];
  return [
    ...file,
    ...nodesOf(source)
      .filter(isFunction)
      .flatMap((node) => functionOverBudget(source, node)),
  ];
}

function isFunction(node: SyntaxNode): boolean {
  // A method's function stands once as the method and once more below it without a span of its own.
  return functionTypes.has(node.type) && node.span !== undefined;
}

function functionOverBudget(source: Source, node: SyntaxNode): string[] {
  const { first, last } = linesOf(source, node);
  const where = `${source.file}:${first} ${nameOf(node)}`;
  const lines = last - first + 1;
  const parameters = parametersOf(node);
  return [
    ...(lines > budget.functionLines ? [`${where} has ${lines} lines`] : []),
    ...(parameters > budget.parameters ? [`${where} takes ${parameters} parameters`] : []),
  ];
}

function parametersOf(node: SyntaxNode): number {
  const holder = node['function'] ?? node;
  const params = (holder as { params?: unknown }).params;
  return Array.isArray(params) ? params.length : 0;
}

/** `(arrow)` and the like for functions without a name of their own. */
function nameOf(node: SyntaxNode): string {
  const named = node['identifier'] ?? node['key'];
  const value = (named as { value?: unknown } | undefined)?.value;
  return typeof value === 'string' ? value : `(${node.type})`;
}
