import type { SearchCall } from './response.ts';

/** What a run tells of a tool call that began. */
export interface StartedCall {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Id part of its run and its place there. */
  readonly place: string;
  /** Whether the run may search the web; else its searches are of documents. */
  readonly web: boolean;
}

/** Most items of one call: its arguments are a model's. */
const mostItems = 32;

/** The items of a call: one for a search, one for each page that is opened. Tools that this protocol lacks have none. */
export function callItems({ tool, args, place, web }: StartedCall): SearchCall[] {
  switch (tool) {
    case 'search':
    case 'scholar': {
      const queries = strings(args['query']);
      const status = 'in_progress';
      if (tool === 'search' && !web) {
        return [{ type: 'file_search_call', id: `fs_${place}`, status, queries, results: null }];
      }
      const action = { type: 'search' as const, query: queries[0] ?? '', queries };
      return [{ type: 'web_search_call', id: `ws_${place}`, status, action }];
    }
    case 'visit':
      return strings(args['url']).map((url, index) => {
        const id = `ws_${place}_${index}`;
        return { type: 'web_search_call', id, status: 'in_progress', action: { type: 'open_page', url } };
      });
    default:
      return [];
  }
}

/** What a run tells of a tool call that ended. */
export interface EndedCall {
  readonly passages?: unknown;
  readonly hits?: unknown;
  readonly sources?: unknown;
  readonly faults?: unknown;
}

/** The item of a call that ended: failed where nothing came of it but faults. */
export function endedItem(item: SearchCall, { passages, hits, sources, faults }: EndedCall): SearchCall {
  const broken = Array.isArray(faults) ? faults.filter(isFailure) : [];
  const found = Number(passages ?? 0) + Number(hits ?? 0) > 0;
  if (item.type === 'file_search_call') {
    return { ...item, status: broken.length > 0 && !found ? 'failed' : 'completed' };
  }
  const { action } = item;
  if (action.type === 'open_page') {
    return { ...item, status: broken.some(({ label }) => label === action.url) ? 'failed' : 'completed' };
  }
  const read = strings(sources).filter((uri) => /^https?:/.test(uri));
  const status = broken.length > 0 && !found ? 'failed' : 'completed';
  return { ...item, status, action: { ...action, sources: read.map((url) => ({ type: 'url', url })) } };
}

/** A fault other than that nothing was found. */
function isFailure(fault: unknown): fault is { readonly label?: unknown } {
  return typeof fault === 'object' && fault !== null && (fault as { kind?: unknown }).kind !== 'empty';
}

function strings(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item) => typeof item === 'string').slice(0, mostItems);
}
