import type { Turn } from './conversation.ts';
import type { SourcePolicy } from './request.ts';
import type { PlacedCall } from './run-state.ts';

/**
 * Whether a run may open known addresses only. It has documents of its own and the web: an address that its model composes,
 * perhaps because a page told it to, could carry words of the documents to whoever answers there.
 */
export function opensKnownOnly({ corpora, web }: SourcePolicy): boolean {
  return corpora.length > 0 && web;
}

/** What stands for an address in a text, up to where it ends in prose. */
const ADDRESS = /https?:\/\/[^\s<>"'`|\\^{}[\]]+/gi;
const BEHIND = /[.,;:!?*_)]+$/;

/**
 * The calls of a reply, those that visit with what they may open of what they name: addresses that stand in the question,
 * that the user gave, that a search named, or that a page had or named that was read on the web; none that a document of the
 * run's own alone names. Cost O(what the run has read), where there is such a call.
 */
export function withOpens(calls: readonly PlacedCall[], turns: readonly Turn[]): readonly PlacedCall[] {
  if (!calls.some(isVisit)) return calls;
  const known = new Set(turns.flatMap(addressesIn).flatMap(keyOf));
  return calls.map((call) => {
    return isVisit(call)
      ? { ...call, opens: addressesOf(call).filter((address) => keyOf(address).some((key) => known.has(key))) }
      : call;
  });
}

function isVisit({ tool }: PlacedCall): boolean {
  return tool === 'visit';
}

/** Nobody has checked a call's arguments. */
function addressesOf({ args: { url } }: PlacedCall): string[] {
  const given: unknown[] = Array.isArray(url) ? url : [url];
  return given.filter((address) => typeof address === 'string');
}

function addressesIn(turn: Turn): string[] {
  switch (turn.role) {
    case 'question':
      return [...(turn.urls ?? []), ...written(turn.text)];
    case 'tools':
      return turn.results.flatMap(({ observation: { sections, sources } }) => {
        const pages = sources.filter(({ uri }) => /^https?:/i.test(uri));
        const read = new Set(pages.map(({ sha256 }) => sha256));
        const passages = sections.flatMap((section) => section.passages).filter(({ sha256 }) => read.has(sha256));
        const hits = sections.flatMap(({ hits: named = [] }) => named);
        return [
          ...pages.flatMap(({ uri, canonical }) => [uri, ...(canonical === undefined ? [] : [canonical])]),
          ...hits.flatMap(({ url, work }) => [url, ...(work?.pdfUrl ? [work.pdfUrl] : [])]),
          ...passages.flatMap(({ text }) => written(text)),
        ];
      });
    case 'model':
    case 'notice':
    case 'order':
    case 'digest':
      return [];
  }
}

function written(text: string): string[] {
  return [...text.matchAll(ADDRESS)].flatMap(([address]) => [address, address.replace(BEHIND, '')]);
}

/** Equal for addresses that differ in nothing that could carry a word: scheme, fragment, a slash at the end of the path. */
function keyOf(address: string): string[] {
  const url = URL.parse(address.trim());
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return [];
  return [`${url.host}${url.pathname.replace(/\/$/, '')}${url.search}`];
}
