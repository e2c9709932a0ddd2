import type { z } from 'zod';
import { InvalidInput } from '#errors';

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
  throw new InvalidInput(parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}
