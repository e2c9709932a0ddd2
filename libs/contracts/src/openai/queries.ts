import { z } from 'zod';
import { wholeNumber } from '../text.ts';
import { includedData } from './responses-body.ts';

/** Query of `GET /v1/responses/{id}`. */
export const retrievalQuery = z
  .strictObject({
    stream: z
      .enum(['true', 'false'])
      .optional()
      .meta({ description: '`true` for the events of the response, from its beginning.', examples: ['true'] }),
    starting_after: wholeNumber(0, 1e9)
      .optional()
      .meta({ description: 'The `sequence_number` of the last event that you have.', examples: [7] }),
    include_obfuscation: z
      .literal('false', 'only false: nothing is obfuscated')
      .optional()
      .meta({ description: 'Events are never padded.', examples: ['false'] }),
    'include[]': z
      .union([includedData, z.array(includedData)])
      .optional()
      .meta({ description: 'Is always there.', examples: ['web_search_call.action.sources'] }),
  })
  .refine(({ stream, starting_after }) => stream === 'true' || starting_after === undefined, {
    path: ['starting_after'],
    message: 'is for stream=true only',
  });

/** Query of `GET /v1/responses/{id}/input_items`. */
export const itemsQuery = z.strictObject({
  limit: wholeNumber(1, 100)
    .default(20)
    .meta({ description: 'Most items of the page.', examples: [20] }),
  order: z
    .enum(['asc', 'desc'])
    .default('desc')
    .meta({ description: '`asc` for the oldest first.', examples: ['asc'] }),
  after: z
    .string()
    .max(200)
    .optional()
    .meta({ description: 'The `last_id` of the page before.', examples: ['msg_019c0d2f4a10a1b2c3d4e5f60718293a_0'] }),
});
