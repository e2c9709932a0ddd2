import { z } from 'zod';
import { runStatus } from './run-status.ts';
import { storableText, wholeNumber } from './text.ts';

const instant = z.iso.datetime({ offset: true, error: 'an instant with its offset, such as 2026-01-31T12:00:00Z' });

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

/** Query of the list of runs: a page of those that fit. */
export const runQuery = pageQuery.extend({
  search: storableText
    .trim()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: 'Words that stand in the question as they are, in any case.', examples: ['leases'] }),
  status: runStatus.optional().meta({ description: 'Only runs in this state.', examples: ['running'] }),
  since: instant.optional().meta({ description: 'Accepted then or later.', examples: ['2026-01-31T00:00:00Z'] }),
  until: instant.optional().meta({ description: 'Accepted before then.', examples: ['2026-02-01T00:00:00Z'] }),
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
