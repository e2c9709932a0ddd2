import { z } from 'zod';
import { outputSchemaFault } from '../output-schema.ts';
import { researchBody } from '../research.ts';
import { storableText } from '../text.ts';

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
  .record(storableText.max(64), storableText.max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 pairs');

/** What may be asked for beside the protocol: a run's own fields. */
export const ownFields = {
  sources: researchBody.shape.sources,
  budget: researchBody.shape.budget,
  citations: researchBody.shape.citations,
} as const;
