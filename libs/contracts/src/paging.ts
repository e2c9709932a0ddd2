import { z } from 'zod';
import { wholeNumber } from './text.ts';

/** Query of a list: newest first, `limit` at a time, and `before` as the `next` of the page before. */
export const pageQuery = z.strictObject({
  before: z
    .string()
    .max(100)
    .regex(/^[\w-]+$/, 'the `next` of the page before')
    .optional()
    .meta({ description: 'The `next` of the page before.', examples: ['run_019c0d2f4a10a1b2c3d4e5f60718293a'] }),
  limit: wholeNumber(1, 100)
    .default(20)
    .meta({ description: 'Most items of the page.', examples: [20] }),
});

/** Number of the last event that a client has; 0 for none. */
const eventNumber = wholeNumber(0, Number.MAX_SAFE_INTEGER).meta({
  description: 'Number of the last event that you have; the stream goes on after it. Default 0: from the beginning.',
  examples: [3],
});

/** Query of an event stream. */
export const eventQuery = z.strictObject({ after: eventNumber.optional() });

/** Headers of an event stream. They come with many that are not ours. */
export const eventHeaders = z.object({ 'last-event-id': eventNumber.optional() });
