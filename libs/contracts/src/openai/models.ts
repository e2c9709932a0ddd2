import { z } from 'zod';

const example = {
  id: 'writer',
  object: 'model',
  created: 0,
  owned_by: 'argosy',
  argosy: { language_model: true, context_tokens: 131072, default: true },
};

/** A configured model, in the form of OpenAI's list. */
export const modelResource = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.literal(0).meta({ description: 'Nobody knows when it was made.' }),
    owned_by: z.literal('argosy'),
    argosy: z.object({
      language_model: z.boolean().meta({
        description: 'False: it writes nothing of its own, and answers are passages as they were found.',
      }),
      context_tokens: z.int().nullable().meta({ description: 'Null for no window.' }),
      default: z.boolean().meta({ description: 'It is that of requests that name none.' }),
    }),
  })
  .meta({ id: 'Model', description: 'A model that requests may name.', examples: [example] });
export type ModelResource = z.infer<typeof modelResource>;

/** All of them. */
export const modelList = z.object({ object: z.literal('list'), data: z.array(modelResource) }).meta({
  id: 'ModelList',
  description: 'The models that requests may name.',
  examples: [{ object: 'list', data: [example] }],
});
export type ModelList = z.infer<typeof modelList>;
