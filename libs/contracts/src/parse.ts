import type { z } from 'zod';
import { InvalidInput } from '#errors';

/** Faults that are told one by one, and the length of each: nobody reads more, and the answer stays small. */
const mostFaults = 100;
const mostCharacters = 500;

/**
 * Parses a value from outside.
 * @throws InvalidInput that lists every fault with the path of its field
 */
export function parseInput<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  return dataOf(schema.safeParse(value));
}

/** The same for a schema that is asynchronous, as those of large bodies are. */
export async function parseLargeInput<T extends z.ZodType>(schema: T, value: unknown): Promise<z.infer<T>> {
  return dataOf(await schema.safeParseAsync(value));
}

function dataOf<T>(parsed: z.ZodSafeParseResult<T>): T {
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const problems = issues.slice(0, mostFaults).map(({ path, message }) => {
    return { path: clipped(path.join('.')), message: clipped(message) };
  });
  const more = issues.length - problems.length;
  throw new InvalidInput([...problems, ...(more > 0 ? [{ path: '', message: `and ${more} more faults` }] : [])]);
}

/** Names that are not known here are repeated in the faults, and may have any length. */
function clipped(text: string): string {
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters).toWellFormed()}…`;
}
