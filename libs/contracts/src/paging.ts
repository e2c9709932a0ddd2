import { z } from 'zod';
import { wholeNumber } from './text.ts';

/** Query of a list: newest first, `limit` at a time, and `before` as the `next` of the page before. */
export const pageQuery = z.strictObject({
  before: z
    .string()
    .max(100)
    .regex(/^[\w-]+$/, 'the `next` of the page before')
    .optional(),
  limit: wholeNumber(1, 100).default(20),
});

/** Number of the last event that a client has; 0 for none. */
export const eventNumber = wholeNumber(0, Number.MAX_SAFE_INTEGER);
