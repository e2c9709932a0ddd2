import type { z } from 'zod';
import { InvalidInput } from '#errors';

/**
 * Parses a value from outside.
 * @throws InvalidInput that lists every fault with the path of its field
 */
export function parseInput<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidInput(parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}
