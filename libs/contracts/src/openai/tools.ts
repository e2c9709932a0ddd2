import { z } from 'zod';
import type { RawSources, Refused } from './asked.ts';

const searchForms = [
  'web_search',
  'web_search_2025_08_26',
  'web_search_preview',
  'web_search_preview_2025_03_11',
] as const;

/** Lets the run search the web. */
const webSearch = z.strictObject({
  type: z.enum(searchForms),
  filters: z
    .strictObject({
      allowed_domains: z.array(z.string()).max(200).nullish(),
      blocked_domains: z.array(z.string()).max(200).nullish(),
    })
    .nullish(),
  search_context_size: z.literal('medium', 'only medium: a run reads what it needs').optional(),
  external_web_access: z.literal(true, 'only true: nothing is searched from a cache alone').optional(),
  user_location: z
    .strictObject({ type: z.literal('approximate') }, 'no place is known to the providers that are asked: leave it out')
    .nullish(),
});

/** Lets the run search uploaded corpora. */
const fileSearch = z.strictObject({
  type: z.literal('file_search'),
  vector_store_ids: z.array(z.string()).min(1).max(32),
});

export const searchTool = z.discriminatedUnion('type', [webSearch, fileSearch], {
  error: 'only tools of the types web_search and file_search can be given to a run',
});
export type SearchTool = z.infer<typeof searchTool>;

/** Joins what the tools allow to the sources that were named beside them, or says where the two contradict. */
export function sourcesOf(
  tools: readonly SearchTool[],
  named: RawSources | undefined,
): { readonly named: RawSources | null } | Refused {
  if (tools.length === 0) return { named: named ?? null };
  const web = tools.filter((tool) => tool.type !== 'file_search');
  const files = tools.filter((tool) => tool.type === 'file_search');
  if (web.length > 0 && named?.['web'] === false) {
    const message = 'is false beside a web_search tool: leave out one of the two';
    return { problem: { path: 'sources.web', message } };
  }
  const listed = (name: string): unknown[] => (Array.isArray(named?.[name]) ? named[name] : []);
  const allowed = web.flatMap(({ filters }) => filters?.allowed_domains ?? []);
  const blocked = web.flatMap(({ filters }) => filters?.blocked_domains ?? []);
  const joined = {
    ...named,
    web: web.length > 0 || named?.['web'] === true,
    ...nonEmpty('corpora', [...listed('corpora'), ...files.flatMap((tool) => tool.vector_store_ids)]),
    ...nonEmpty('allow_domains', [...listed('allow_domains'), ...allowed]),
    ...nonEmpty('deny_domains', [...listed('deny_domains'), ...blocked]),
  };
  return { named: joined };
}

function nonEmpty(name: string, values: readonly unknown[]): RawSources {
  return values.length === 0 ? {} : { [name]: values };
}
