import { z } from 'zod';
import { askJson } from './answer.ts';
import { hitOf, words } from './plain.ts';
import type { SearchProvider } from './provider.ts';
import { withSites } from './sites.ts';

// `organic` must be there: an answer without it was no search.
const shape = z.object({
  organic: z.array(z.object({ link: z.string(), title: words, snippet: words, date: words })),
});

const LONGEST = 1_000;

/** Serper, Google's results as a service. Source: serper.dev/playground. */
export function serper(
  key: string,
  base = 'https://google.serper.dev',
  keyName = 'ARGOSY_SERPER_API_KEY',
): SearchProvider {
  return {
    name: 'serper',
    field: 'web',
    hosts: [new URL(base).host],
    attribution: 'Google results by Serper.',
    rule: { perSecond: 5, burst: 5, parallel: 5, perDay: null },
    longestQuery: LONGEST,
    async search({ after, before, language, limit, ...wanted }, door) {
      const days = [`cd_min:${monthFirst(after)}`, `cd_max:${monthFirst(before)}`];
      const body = JSON.stringify({
        q: withSites(wanted, LONGEST),
        num: Math.min(limit, 20),
        ...(language === undefined ? {} : { hl: codes[language] ?? language }),
        ...(after === undefined && before === undefined ? {} : { tbs: ['cdr:1', ...days].join(',') }),
      });
      const headers = { 'X-API-KEY': key, 'content-type': 'application/json' };
      const request = { method: 'POST', headers, body } as const;
      const url = new URL('/search', base);
      const refused = `Check ${keyName} and its credits.`;
      const { organic } = await askJson(door, { provider: 'serper', url, request, refused }, wanted, shape);
      const hits = organic.map(({ link, date, ...result }) => hitOf({ ...result, url: link, published: date }));
      return hits.filter((hit) => hit !== null);
    },
  };
}

/** `2024-03-05` as `3/5/2024`, as Google wants it; nothing for an open end. */
function monthFirst(day: string | undefined): string {
  const [year, month, date] = (day ?? '').split('-').map(Number);
  return year === undefined || month === undefined || date === undefined ? '' : `${month}/${date}/${year}`;
}

const codes: Readonly<Record<string, string>> = { zh: 'zh-cn' };
