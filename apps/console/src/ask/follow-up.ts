import type { RunResource } from '../libs.ts';
import type { Draft } from './draft.ts';

/** Most pages that a question may name. */
const mostPages = 50;

let waiting: Partial<Draft> | null = null;

/** Keeps for the next question what a report rests on: the pages that it cites are read again, and its documents. */
export function prepareFollowUp(report: NonNullable<RunResource['report']>, corpora: readonly string[]): void {
  waiting = { urls: citedPages(report).join('\n'), corpora };
}

/** Addresses of the web among the sources of a report, each once. */
function citedPages({ sources }: Pick<NonNullable<RunResource['report']>, 'sources'>): string[] {
  const pages = sources.map(({ uri }) => uri).filter((uri) => /^https?:\/\//.test(uri));
  return [...new Set(pages)].slice(0, mostPages);
}

/** What was kept, once. */
export function takeFollowUp(): Partial<Draft> {
  const taken = waiting ?? {};
  waiting = null;
  return taken;
}
