import { z } from 'zod';

/** Every error of the API. */
export const errorResource = z
  .object({
    error: z.object({
      code: z.string().meta({ description: 'For programs; the description of each answer lists its codes.' }),
      message: z.string().meta({ description: 'For people: what is wrong, and what to do.' }),
      param: z.string().optional().meta({ description: 'The field of the first fault.' }),
      details: z
        .array(z.object({ path: z.string(), message: z.string() }))
        .optional()
        .meta({ description: 'Every fault of a `validation_failed`, up to a hundred.' }),
      request_id: z.string().meta({ description: 'Names the request in the log of the server.' }),
    }),
  })
  .meta({
    id: 'Error',
    description: 'Every error of the API.',
    examples: [
      {
        error: {
          code: 'validation_failed',
          message: 'budget.steps: Too small: expected number to be >=1',
          param: 'budget.steps',
          details: [{ path: 'budget.steps', message: 'Too small: expected number to be >=1' }],
          request_id: 'req_1f0e8a5c-94a5-4a8e-9df4-6f3f1f3f7a10',
        },
      },
    ],
  });
export type ErrorResource = z.infer<typeof errorResource>;
