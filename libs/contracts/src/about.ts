import { z } from 'zod';

const example = {
  model: { id: 'writer', language_model: true, reads_pages: true },
  other_models: 1,
  search: { providers: ['mediawiki', 'openalex', 'crossref', 'arxiv'], narrowed: false },
  tools: { browser: false },
};

/** Answer to `GET /v1/about`. */
export const aboutResource = z
  .object({
    model: z.object({
      id: z.string(),
      language_model: z.boolean().meta({ description: 'False: answers are passages as they were found.' }),
      reads_pages: z.boolean().meta({
        description: 'Whether it reads the pages that are visited; else words alone choose their passages.',
      }),
    }),
    other_models: z.int().min(0).meta({ description: 'Models that a request may name besides.' }),
    search: z.object({
      providers: z.array(z.string()).max(100).meta({
        description: 'Those that runs of this tenant may ask, which may or may not answer; none: no web search.',
      }),
      narrowed: z.boolean().meta({ description: 'Whether they were chosen for this tenant.' }),
    }),
    tools: z
      .object({ browser: z.boolean().meta({ description: 'Whether pages that their scripts fill can be shown.' }) })
      .nullable()
      .meta({ description: 'Null in a fleet, whose tool workers have settings of their own that no gateway knows.' }),
  })
  .meta({ id: 'About', description: 'What works here, and what this server goes without.', examples: [example] });
export type AboutResource = z.infer<typeof aboutResource>;
