/** Asks a Prometheus as Grafana does. */
import { z } from 'zod';

const answerMs = 30_000;

const querySchema = z.object({ data: z.object({ result: z.array(z.unknown()) }) });
const rulesSchema = z.object({
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(z.object({ name: z.string(), health: z.string(), lastError: z.string().optional() })),
      }),
    ),
  }),
});
const targetsSchema = z.object({
  data: z.object({
    activeTargets: z.array(
      z.object({ scrapePool: z.string(), health: z.string(), lastError: z.string(), lastScrapeDuration: z.number() }),
    ),
  }),
});

async function get(url: string, path: string, query: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const asked = `${url}${path}?${new URLSearchParams(query)}`;
  const response = await fetch(asked, { signal: AbortSignal.timeout(answerMs) });
  if (!response.ok) throw new Error(`${asked}: ${response.status} ${await response.text()}`);
  return await response.json();
}

/** @returns how many series a query has now @throws Error with what is wrong with the query */
export async function seriesOf(url: string, query: string): Promise<number> {
  return querySchema.parse(await get(url, '/api/v1/query', { query })).data.result.length;
}

export async function rulesOf(url: string) {
  return rulesSchema.parse(await get(url, '/api/v1/rules')).data.groups.flatMap(({ rules }) => rules);
}

export async function targetsOf(url: string) {
  return targetsSchema.parse(await get(url, '/api/v1/targets')).data.activeTargets;
}
