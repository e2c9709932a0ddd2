import { type SearchHit, stems, subjectWords, type Turn } from '#domain';
import type { Aspect } from './aspects.ts';
import { rankDamping, type WeightedSection } from './evidence.ts';

/** A page that is worth reading, and for which aspect. */
interface PageToRead {
  readonly url: string;
  readonly aspect: Aspect;
}

interface Candidate {
  readonly hit: SearchHit;
  readonly host: string;
  /** Fused over the queries that named it and what its title and snippet say; higher is better. */
  readonly worth: number;
}

/** How much the words of title and snippet count beside the places that a page had in its lists. */
const wordsWeight = 0.5;

/** Addresses that the run has asked for, and whether they could be read. */
export function addressesAsked(turns: readonly Turn[]): ReadonlyMap<string, boolean> {
  const asked = new Map<string, boolean>();
  for (const turn of turns) {
    if (turn.role !== 'tools') continue;
    for (const { label, fault } of turn.results.flatMap(({ observation }) => observation.sections)) {
      if (label.includes('://')) asked.set(label, fault === undefined);
    }
  }
  return asked;
}

/**
 * Picks pages that searches named: the best of each aspect in turn, and of two that are as good, the one of a site that
 * was not asked yet. A work is read where its text is open, and on its own page where that failed.
 * @param sectionsOf sections that belong to an aspect
 * @param asked see {@link addressesAsked}
 */
export function pagesToRead(
  aspects: readonly Aspect[],
  sectionsOf: (aspect: Aspect) => readonly WeightedSection[],
  asked: ReadonlyMap<string, boolean>,
  limit: number,
): PageToRead[] {
  const queues = aspects.map((aspect) => ({ aspect, waiting: candidatesOf(aspect, sectionsOf(aspect)) }));
  const sites = new Map<string, number>();
  for (const url of asked.keys()) count(sites, hostOf(url));
  const taken = new Set<string>(asked.keys());
  const pages: PageToRead[] = [];
  while (pages.length < limit && queues.some(({ waiting }) => waiting.length > 0)) {
    for (const { aspect, waiting } of queues) {
      const best = pages.length < limit ? takeBest(waiting, sites) : undefined;
      const url = best === undefined ? null : addressOf(best.hit, taken, asked);
      if (best === undefined || url === null) continue;
      taken.add(url);
      count(sites, best.host);
      pages.push({ url, aspect });
    }
  }
  return pages;
}

function candidatesOf(aspect: Aspect, sections: readonly WeightedSection[]): Candidate[] {
  const wanted = subjectWords(aspect.query).map(stems);
  const places = new Map<string, { hit: SearchHit; worth: number }>();
  for (const { section, weight } of sections) {
    for (const [rank, hit] of (section.hits ?? []).entries()) {
      const before = places.get(hit.url)?.worth ?? 0;
      places.set(hit.url, { hit, worth: before + weight / (rankDamping + rank) });
    }
  }
  return [...places.values()].map(({ hit, worth }) => {
    const said = new Set(stems(`${hit.title} ${hit.snippet}`));
    const met = wanted.filter((forms) => forms.some((stem) => said.has(stem))).length / Math.max(1, wanted.length);
    return { hit, host: hostOf(hit.url), worth: worth + wordsWeight * met };
  });
}

/** Removes and returns the best of those that wait; each page of a site that is taken halves the worth of the next one. */
function takeBest(waiting: Candidate[], sites: ReadonlyMap<string, number>): Candidate | undefined {
  const worthNow = ({ worth, host }: Candidate): number => worth / (1 + (sites.get(host) ?? 0));
  const [best] = waiting.toSorted(
    (a, b) => worthNow(b) - worthNow(a) || (a.hit.url < b.hit.url ? -1 : Number(a.hit.url > b.hit.url)),
  );
  if (best !== undefined) waiting.splice(waiting.indexOf(best), 1);
  return best;
}

/** Where a hit is still to be read; null when it was, or when nothing is left to try. */
function addressOf(
  { url, work }: SearchHit,
  taken: ReadonlySet<string>,
  asked: ReadonlyMap<string, boolean>,
): string | null {
  const addresses = [work?.pdfUrl ?? url, url];
  if (addresses.some((address) => asked.get(address) === true)) return null;
  return addresses.find((address) => !taken.has(address)) ?? null;
}

function count(sites: Map<string, number>, host: string): void {
  sites.set(host, (sites.get(host) ?? 0) + 1);
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? '';
}
