import { z } from 'zod';
import { outputSchemaFault } from '../output-schema.ts';

const usableSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  const message = outputSchemaFault(schema);
  if (message !== null) context.addIssue({ code: 'custom', message });
});

/** A JSON schema with the name that its author gave it. */
export const namedSchema = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/, 'at most 64 letters, digits, underscores and dashes'),
  schema: usableSchema,
  description: z.string().max(10_000).optional(),
  strict: z.boolean().nullish(),
});

/** As the protocol bounds the labels of a caller. */
export const labels = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 pairs');

/** What may be asked for beside the protocol: a run's own fields, checked as those of `POST /v1/research`. */
export const ownFields = {
  sources: z.looseObject({}).optional(),
  budget: z.looseObject({}).optional(),
  citations: z.string().optional(),
} as const;
