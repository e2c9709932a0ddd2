import { subjectWords } from '#domain';
import type { ProviderQuery } from './provider.ts';

/**
 * A query for an index that wants every word of it to occur: without the words of a question that say nothing. One with a
 * phrase in quotes, or in a script whose words no space parts, stays as it is.
 */
export function keywords({ query, language }: Pick<ProviderQuery, 'query' | 'language'>): string {
  return query.includes('"') || language !== undefined ? query : subjectWords(query).join(' ') || query;
}
