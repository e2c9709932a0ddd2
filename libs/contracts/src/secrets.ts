import { z } from 'zod';

/** Body of `PUT /v1/secrets/{name}`. What is wrong with it is told without repeating it. */
export const secretBody = z
  .strictObject({
    value: z
      .string()
      .min(1, 'is empty; to be rid of a secret, delete it')
      .max(4_096, 'has more than 4,096 characters')
      .regex(/^[\x21-\x7e]*$/, 'holds spaces, line breaks or characters that no key has')
      .meta({ description: 'What is kept. It is never told again, by any route.' }),
  })
  .meta({ id: 'SecretOrder', description: 'A secret to be kept.', examples: [{ value: 'BSA-your-key' }] });

const exampleSecret = {
  name: 'search.brave',
  fingerprint: '7c3a91e05b2d48f6',
  created_at: '2026-01-31T12:00:00.000Z',
  updated_at: '2026-01-31T12:00:00.000Z',
  last_used_at: null,
};

/** A secret as it is shown; never what it holds. */
export const secretResource = z
  .object({
    name: z.string(),
    fingerprint: z.string().meta({
      description:
        'Another one whenever the secret is set, to what it was before, too. It tells nothing of the secret.',
    }),
    created_at: z.string(),
    updated_at: z.string().meta({ description: 'When it was set last.' }),
    last_used_at: z.string().nullable().meta({ description: 'As it is now; to within ten minutes.' }),
  })
  .meta({ id: 'Secret', description: 'A secret, but for what it holds.', examples: [exampleSecret] });
export type SecretResource = z.infer<typeof secretResource>;

/** Answer to `GET /v1/secrets`. */
export const secretList = z
  .object({ data: z.array(secretResource) })
  .meta({ id: 'SecretList', description: 'All secrets of a tenant.', examples: [{ data: [exampleSecret] }] });
export type SecretList = z.infer<typeof secretList>;
