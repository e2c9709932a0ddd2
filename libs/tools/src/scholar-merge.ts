import type { ScholarlyWork, SearchHit, SourcePolicy } from '#domain';
import type { ProviderHit } from './providers/provider.ts';
import type { Answer } from './search-ask.ts';
import { fitOf } from './search-fit.ts';
import { isWithin } from './search-merge.ts';

/** A work as all who know of it tell it together. */
export interface FoundWork {
  readonly hit: SearchHit & { readonly work: ScholarlyWork };
  /** Whole; empty where nobody has one. */
  readonly abstract: string;
  /** When the one said it whose abstract it is, ISO 8601. */
  readonly madeAt: string;
}

/** Damps the lead of first places, as in searches of the web. */
const RANK_CONSTANT = 60;

/** Works that one query names: each comes with its abstract. */
const MOST_WORKS = 8;

interface Entry {
  readonly hit: ProviderHit & { readonly work: ScholarlyWork };
  readonly provider: string;
  readonly madeAt: string;
  readonly rank: number;
}

/**
 * One list of what scholarly providers found, by reciprocal rank as far as they fit the query: each work once. Two entries are one work when they share
 * a DOI or a number of arXiv, or, where one of them lacks a DOI, title and year. Pure; cost O(hits).
 * @returns `outside`: works left out because of the run's sites and days
 */
export function mergeWorks(answers: readonly Answer[], query: string, policy: SourcePolicy) {
  const entries = answers.flatMap(({ provider, madeAt, hits }) => {
    return hits.flatMap((hit, rank) => (hit.work ? [{ hit: { ...hit, work: hit.work }, provider, madeAt, rank }] : []));
  });
  const within = entries.filter(({ hit }) => isWithin(hit, policy));
  const works = groups(within).map((group) => ({
    found: workOf(group),
    score: scoreOf(group) * fitOfAll(group, query),
  }));
  const best = works.sort((a, b) => b.score - a.score).slice(0, MOST_WORKS);
  return { works: best.map(({ found }) => found), outside: entries.length - within.length };
}

/** Entries of the same work together, in the order of their first ones. Cost O(entries²), of which there are 60. */
function groups(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  let all: readonly (readonly Entry[])[] = [];
  for (const entry of entries) {
    // One with both a DOI and a number of arXiv may show that two that looked apart are one.
    const same = all.filter((group) => group.some((one) => isSame(one.hit, entry.hit)));
    const [first] = same;
    const joined = [...same.flat(), entry];
    all = first === undefined ? [...all, joined] : all.flatMap((group) => placed(group, { first, same, joined }));
  }
  return all;
}

type Group = readonly Entry[];

function placed(
  group: Group,
  { first, same, joined }: Readonly<{ first: Group; same: readonly Group[]; joined: Group }>,
) {
  if (group === first) return [joined];
  return same.includes(group) ? [] : [group];
}

function isSame(a: Entry['hit'], b: Entry['hit']): boolean {
  const [doiA, doiB] = [registered(a.work.doi), registered(b.work.doi)];
  if (doiA !== null && doiA === doiB) return true;
  if (a.arxivId !== undefined && a.arxivId === b.arxivId) return true;
  if (doiA !== null && doiB !== null) return false;
  const [titleA, titleB] = [bareTitle(a.title), bareTitle(b.title)];
  return titleA.length >= LEAST_TITLE && titleA === titleB && a.work.year !== null && a.work.year === b.work.year;
}

/** Shorter titles ("Introduction") are those of many works. */
const LEAST_TITLE = 12;

/** The DOI of arXiv names the preprint and not what became of it. */
function registered(doi: string | null): string | null {
  return doi?.startsWith('10.48550/') ? null : doi;
}

/** Letters and digits alone, so that dashes, marks and formulas written in two ways do not part a work. */
function bareTitle(title: string): string {
  return title
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '');
}

/** A provider counts once, by its best place. */
function scoreOf(group: Group): number {
  const best = new Map<string, number>();
  for (const { provider, rank } of group) best.set(provider, Math.min(rank, best.get(provider) ?? rank));
  return [...best.values()].reduce((score, rank) => score + 1 / (RANK_CONSTANT + rank + 1), 0);
}

/** By whoever tells most of it: some know no abstract. */
function fitOfAll(group: Group, query: string): number {
  return Math.max(...group.map(({ hit }) => fitOf(hit, query)));
}

/** What all tell together: the best ranked one leads, the others fill up. */
function workOf(group: Group): FoundWork {
  const ranked = group.toSorted((a, b) => a.rank - b.rank);
  const hits = ranked.map(({ hit }) => hit);
  const works = hits.map(({ work }) => work);
  const abstracts = ranked.map(({ hit, madeAt }) => ({ abstract: hit.abstract ?? '', madeAt }));
  const told = longest(abstracts, ({ abstract }) => abstract.length);
  const dois = works.map(({ doi }) => doi).filter((doi) => doi !== null);
  const venues = works.map(({ venue }) => venue).filter((venue) => venue !== null);
  const counts = works.map(({ citations }) => citations).filter((count) => count !== null);
  const urls = hits.map(({ url }) => url);
  const [first] = hits;
  return {
    hit: {
      url: urls.find((url) => new URL(url).host === 'doi.org') ?? urls[0] ?? '',
      title: first?.title ?? '',
      snippet: longest(hits, ({ snippet }) => snippet.length)?.snippet ?? '',
      published: longest(hits, ({ published }) => published?.length ?? 0)?.published ?? null,
      providers: [...new Set(ranked.map(({ provider }) => provider))],
      work: {
        authors: longest(works, ({ authors }) => authors.length)?.authors ?? [],
        year: works.map(({ year }) => year).find((year) => year !== null) ?? null,
        venue: venues.find((venue) => venue !== 'arXiv') ?? venues[0] ?? null,
        citations: counts.length === 0 ? null : Math.max(...counts),
        doi: dois.find((doi) => registered(doi) !== null) ?? dois[0] ?? null,
        pdfUrl: works.map(({ pdfUrl }) => pdfUrl).find((url) => url !== null) ?? null,
      },
    },
    abstract: told?.abstract ?? '',
    madeAt: told?.madeAt ?? '',
  };
}

/** The first of the longest. */
function longest<T>(items: readonly T[], lengthOf: (item: T) => number): T | undefined {
  return items.toSorted((a, b) => lengthOf(b) - lengthOf(a))[0];
}
