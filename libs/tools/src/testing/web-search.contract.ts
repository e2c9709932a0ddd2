import { Egress } from '#egress';
import { Aborted } from '#errors';
import type { Evidence, Made } from '../evidence.ts';
import type { Pace, PaceRule } from '../pace.ts';
import type { ProviderHit, ProviderQuery, SearchProvider } from '../providers/provider.ts';

/** A way out that opens these ports of 127.0.0.1 and nothing else that is private. */
export function doorTo(...ports: readonly number[]): Egress {
  return new Egress({ userAgent: 'argosy-test', allow: ports.map((port) => ({ host: '127.0.0.1', port })) });
}

/** A query as the fan-out hands it to providers. */
export function queryOf(query: string, more: Partial<ProviderQuery> = {}): ProviderQuery {
  const { signal } = new AbortController();
  return {
    query,
    allowDomains: [],
    denyDomains: [],
    limit: 10,
    now: Date.parse('2026-01-02T03:04:05Z'),
    signal,
    ...more,
  };
}

/** A provider of one process that answers by `answer`. */
export function providerOf(
  name: string,
  answer: (wanted: ProviderQuery) => Promise<readonly ProviderHit[]> | readonly ProviderHit[],
  more: Partial<SearchProvider> = {},
): SearchProvider {
  const rule: PaceRule = { perSecond: 10, burst: 10, parallel: 10, perDay: null };
  const search = async (wanted: ProviderQuery) => await answer(wanted);
  return {
    name,
    field: 'encyclopedic',
    hosts: [`${name}.example`],
    attribution: `By ${name}.`,
    rule,
    longestQuery: 200,
    search,
    ...more,
  };
}

export function hit(url: string, more: Partial<ProviderHit> = {}): ProviderHit {
  return { url, title: url, snippet: 'words', published: null, ...more };
}

/** Never answers, but for the end of its signal. */
export async function never({ signal }: Pick<ProviderQuery, 'signal'>): Promise<never> {
  return await new Promise((_, reject) => {
    const stop = () => reject(new Aborted('stopped', { cause: signal.reason }));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** Turns for everybody but at the keys in `refused`; `log` tells what happened. */
export function openPace(refused: Readonly<Record<string, 'busy' | 'resting' | 'quota'>> = {}) {
  const log: string[] = [];
  const pace: Pace = {
    turn: async (key) => {
      const why = refused[key];
      if (why) return { granted: false, why, retryAfterMs: 5_000 };
      log.push(`turn ${key}`);
      return { granted: true, done: async () => void log.push(`done ${key}`) };
    },
    rest: async (key, ms) => void log.push(`rest ${key} ${ms}`),
  };
  return { pace, log };
}

/** Keeps what is made in this process; of those who want it at once, one makes it. */
export function openEvidence() {
  const kept = new Map<string, Promise<Made<unknown>>>();
  const made: string[] = [];
  const evidence: Evidence = {
    share: async ({ tenantId, key, signal }, make) => {
      const name = JSON.stringify([tenantId, key]);
      const before = kept.get(name);
      if (before === undefined) {
        made.push(name);
        kept.set(name, make(signal));
      }
      try {
        const { value } = (await Promise.race([kept.get(name), never({ signal })])) as Awaited<ReturnType<typeof make>>;
        return { value, madeAt: '2026-01-02T00:00:00.000Z', shared: before !== undefined };
      } catch (error) {
        kept.delete(name);
        throw error;
      }
    },
  };
  return { evidence, made };
}
