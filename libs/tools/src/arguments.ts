import { InvalidInput, type Problem } from '#errors';

/** Most queries or URLs of one call. */
const MOST_ITEMS = 5;
/** Longest query, URL or goal, in characters. */
const LONGEST = 2_000;

/** Schema of an array of 1 to 5 strings. */
export function stringsSchema(description: string) {
  return { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: MOST_ITEMS, description } as const;
}

/**
 * The argument `name` as 1 to 5 different, trimmed, non-empty strings; a lone string counts as an array of one.
 * @throws InvalidInput listing every fault
 */
export function stringsArgument(args: Readonly<Record<string, unknown>>, name: string): string[] {
  const given = args[name];
  const list: unknown[] = Array.isArray(given) ? given : [given];
  const problems: Problem[] = [];
  if (list.length < 1 || list.length > MOST_ITEMS) {
    problems.push({ path: name, message: `give 1 to ${MOST_ITEMS} strings, not ${list.length}` });
  }
  const strings = list.map((item, index) => textOf(item, `${name}[${index}]`, problems));
  if (problems.length > 0) throw new InvalidInput(problems);
  return [...new Set(strings)];
}

/** The argument `name` as a trimmed, non-empty string. @throws InvalidInput */
export function stringArgument(args: Readonly<Record<string, unknown>>, name: string): string {
  const problems: Problem[] = [];
  const text = textOf(args[name], name, problems);
  if (problems.length > 0) throw new InvalidInput(problems);
  return text;
}

function textOf(value: unknown, path: string, problems: Problem[]): string {
  if (typeof value !== 'string') problems.push({ path, message: 'must be a string' });
  else if (value.trim() === '') problems.push({ path, message: 'must not be empty' });
  else if (value.length > LONGEST)
    problems.push({ path, message: `has ${value.length} characters; ${LONGEST} is the most` });
  return typeof value === 'string' ? value.trim() : '';
}
