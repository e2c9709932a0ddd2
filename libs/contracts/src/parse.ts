import type { z } from 'zod';
import { InvalidInput, type Problem } from '#errors';

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
  throw faulty(parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}

/** The error that tells of these faults, shortened to what is worth telling. */
export function faulty(faults: readonly Problem[]): InvalidInput {
  const told = faults.slice(0, mostFaults).map(({ path, message }) => {
    return { path: clipped(path), message: clipped(message) };
  });
  const more = faults.length - told.length;
  return new InvalidInput([...told, ...(more > 0 ? [{ path: '', message: `and ${more} more faults` }] : [])]);
}

/** Names that are not known here are repeated in the faults, and may have any length. */
function clipped(text: string): string {
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters).toWellFormed()}…`;
}
