import { z } from 'zod';

/** What a key may be allowed to do. */
export const scopes = [
  'research:read',
  'research:write',
  'corpora:read',
  'corpora:write',
  'usage:read',
  'keys:admin',
  'secrets:admin',
  'fleet:admin',
] as const;
export type Scope = (typeof scopes)[number];

/** All that concerns one tenant. What its key may see of the fleet, of others' figures too, somebody must want. */
export const tenantScopes: readonly Scope[] = scopes.filter((scope) => scope !== 'fleet:admin');

/** Of a key that names none: all but administration. */
const usualScopes: readonly Scope[] = scopes.filter((scope) => !scope.endsWith(':admin'));

const inFuture = (text: string): boolean => Date.parse(text) > Date.now();

const exampleKey = {
  id: '0f1e2d3c4b5a6978',
  name: 'ci',
  scopes: ['research:read', 'research:write'],
  created_at: '2026-01-31T12:00:00.000Z',
  expires_at: null,
  revoked_at: null,
  last_used_at: null,
  person: null,
};

/** Body of `POST /v1/keys`. */
export const keyBody = z
  .strictObject({
    name: z
      .string()
      .min(1, 'says what the key is for, such as ci; on the command line --name')
      .max(100)
      .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'holds control characters')
      .meta({ description: 'For people.' }),
    scopes: z
      .array(z.enum(scopes))
      .min(1, 'names none; leave it out for the usual ones')
      .refine((named) => new Set(named).size === named.length, 'names a scope twice')
      .default([...usualScopes])
      .meta({
        description:
          'None that the key which asks lacks itself. Default: all but `keys:admin`, `secrets:admin` and `fleet:admin`.',
      }),
    expires_at: z.iso
      .datetime({ offset: true })
      .refine(inFuture, 'lies in the past')
      .nullable()
      .default(null)
      .meta({ description: 'Default: it is good until it is revoked.' }),
  })
  .meta({
    id: 'KeyOrder',
    description: 'A key that somebody wants.',
    examples: [{ name: exampleKey.name, scopes: exampleKey.scopes }],
  });

const keyFields = {
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  last_used_at: z.string().nullable().meta({ description: 'To within ten minutes.' }),
  person: z.string().nullable().default(null).meta({
    description: 'Of a login: the subject at the identity provider. Null for a key that somebody made.',
  }),
};

/** A key as it is shown; never the key itself. */
export const keyResource = z
  .object(keyFields)
  .meta({ id: 'Key', description: 'A key, but for its secret.', examples: [exampleKey] });
export type KeyResource = z.infer<typeof keyResource>;

/** Answer to `POST /v1/keys`: the one time that the key is told. */
export const createdKeyResource = z
  .object({
    ...keyFields,
    key: z.string().meta({ description: 'What clients send. It is shown here and never again.' }),
  })
  .meta({
    id: 'CreatedKey',
    description: 'A new key.',
    examples: [{ ...exampleKey, key: 'arg_live_0f1e2d3c4b5a6978_0000000000000000000000000000000000000000000_000000' }],
  });
export type CreatedKeyResource = z.infer<typeof createdKeyResource>;

/** Answer to `GET /v1/keys`. */
export const keyList = z
  .object({
    data: z.array(keyResource),
    next: z.string().nullable().meta({ description: '`before` of the next page; null on the last one.' }),
  })
  .meta({ id: 'KeyList', description: 'A page of keys.', examples: [{ data: [exampleKey], next: null }] });
export type KeyList = z.infer<typeof keyList>;
