import { z } from 'zod';

const example = {
  error: {
    message: 'temperature: is not supported here',
    type: 'invalid_request_error',
    param: 'temperature',
    code: 'validation_failed',
  },
};

/** An error in the form of OpenAI's APIs. */
export const openAiErrorResource = z
  .object({
    error: z.object({
      message: z.string().meta({ description: 'For people: what is wrong, every fault of it, and what to do.' }),
      type: z.string(),
      param: z.string().nullable().meta({ description: 'The field of the first fault.' }),
      code: z.string().meta({ description: 'For programs; the description of each answer lists its codes.' }),
    }),
  })
  .meta({ id: 'OpenAiError', description: "An error in the form of OpenAI's APIs.", examples: [example] });
export type OpenAiErrorResource = z.infer<typeof openAiErrorResource>;
