import type { SearchHit, SourcePolicy, ToolFault } from '#domain';
import { pageFault } from './policy.ts';
import type { Answer } from './search-ask.ts';
import { fitOf } from './search-fit.ts';

/** Damps the lead of first places; the constant of Cormack, Clarke and Buettcher (SIGIR 2009). */
const RANK_CONSTANT = 60;

/** Pages that one query names. */
const MOST_HITS = 10;

/**
 * One list of what several providers found, by reciprocal rank (of works, as far as they fit the query): each page once,
 * told by whoever ranked it best, and none that the run may not use. Pure; cost O(hits).
 * @returns `outside`: pages left out because of the run's sites and days
 */
export function mergeHits(answers: readonly Answer[], query: string, policy: SourcePolicy) {
  const found = new Map<string, Merged>();
  let outside = 0;
  for (const { provider, hits } of answers) {
    for (const [rank, given] of hits.entries()) {
      const { abstract: _, arxivId: __, ...hit } = given;
      if (!isWithin(hit, policy)) outside += 1;
      else addTo(found, { hit: { ...hit, providers: [provider] }, rank, fit: fitOf(given, query) });
    }
  }
  const best = [...found.values()].sort((a, b) => b.score - a.score || a.bestRank - b.bestRank);
  return { hits: best.slice(0, MOST_HITS).map(({ hit }) => hit), outside };
}

interface Found {
  readonly hit: SearchHit;
  readonly rank: number;
  readonly fit: number;
}

interface Merged {
  readonly hit: SearchHit;
  readonly score: number;
  readonly bestRank: number;
}

function addTo(found: Map<string, Merged>, { hit, rank, fit }: Found): void {
  // A page is the same by either protocol.
  const key = hit.url.replace(/^https?:/, '');
  const before = found.get(key);
  const score = fit / (RANK_CONSTANT + rank + 1);
  if (before === undefined) {
    found.set(key, { hit, score, bestRank: rank });
    return;
  }
  const isTwice = before.hit.providers.includes(hit.providers[0] ?? '');
  const [first, second] = rank < before.bestRank ? [hit, before.hit] : [before.hit, hit];
  found.set(key, {
    hit: mergedHit(first, second),
    score: before.score + (isTwice ? 0 : score),
    bestRank: Math.min(rank, before.bestRank),
  });
}

function mergedHit(first: SearchHit, second: SearchHit): SearchHit {
  const work = first.work ?? second.work;
  return {
    url: second.url.startsWith('https:') ? second.url : first.url,
    title: first.title,
    snippet: first.snippet || second.snippet,
    published: first.published ?? second.published,
    providers: [...new Set([...first.providers, ...second.providers])],
    ...(work === undefined ? {} : { work }),
  };
}

/** Whether a run may use what was found: by its site, and by the day on which it was published. */
export function isWithin({ url, published }: Pick<SearchHit, 'url' | 'published'>, policy: SourcePolicy): boolean {
  return pageFault(new URL(url), policy) === null && isWithinDays(published, policy);
}

/** A year or a month is taken in if one of its days is within; no date is not, because nothing tells. */
function isWithinDays(published: string | null, { publishedAfter, publishedBefore }: SourcePolicy): boolean {
  if (publishedAfter === undefined && publishedBefore === undefined) return true;
  if (published === null) return false;
  const [first, last] = [`${published}-01-01`.slice(0, 10), `${published}${'-12-31'.slice(published.length - 4)}`];
  return last >= (publishedAfter ?? '') && first <= (publishedBefore ?? '9999');
}

/**
 * Why nothing was found, where nothing was: `empty` only if everyone who was asked looked. Faults that may pass come
 * first, so that a query is not given up for one provider that is not there at all.
 */
export function faultOfAll(answers: readonly Answer[], outside: number): ToolFault {
  const faults = answers.flatMap(({ fault }) => fault ?? []);
  const first = ['transient', 'quota', 'blocked'].flatMap((kind) => faults.filter((fault) => fault.kind === kind))[0];
  const told = faults.map(({ message }) => message).join(' ');
  if (first) return { ...first, message: told };
  if (faults.length > 0) {
    const others = faults.length < answers.length ? ' The others found nothing for it.' : '';
    return { kind: 'invalid', message: `${told}${others}` };
  }
  if (outside > 0) {
    const message = `${outside} pages were found, all outside the sites or days that this run may use. Try other words.`;
    return { kind: 'empty', message };
  }
  return { kind: 'empty', message: 'Nothing was found for this query. Try other words.' };
}
