import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { acceptedResource } from '#contracts';
import { jsonLogger } from '#platform';
import { fleetSettings } from '#runs';
import { ApiDocument, type DescribedRoute } from '../../../test/support/api-document.ts';
import { runsOn, useStore } from '../../../test/support/embedded.ts';
import { spoilt, valuesOf } from '../../../test/support/schema-values.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './index.ts';

/** Requests of each kind to each route. What fails is named with the seed and the path that leads to it. */
const [numRuns, seed] = [12, 20_260_131];

const corpus = 'c_0123456789abcdef';
const model = { isLanguageModel: true, profile: 'tongyi-v1', contextTokens: null, prices: [] };
const offer = {
  models: new Map([['writer', model]]),
  defaultModel: 'writer',
  providers: ['web'],
  knowsCorpus: (id: string) => id === corpus,
};
const logged: string[] = [];
const logger = jsonLogger('gateway', 'error', (line) => logged.push(line));

const stack = useStore(async (folder) => {
  const store = await runsOn(fleetSettings())(folder);
  const answerPatience = { endMs: 20, cancelMs: 20 };
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, answerPatience };
  const gateway = await Gateway.start(store.runs, offer, options, logger);
  const close = async (): Promise<void> => {
    await gateway.stop();
    await store.close();
  };
  return { gateway, close, document: await ApiDocument.of(gateway.url) };
});

/** A request as it goes out. */
interface Shot {
  readonly path: string;
  readonly init: RequestInit;
}

/** One part of a request: as described, or spoilt. */
type Kind = (values: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown>;

/** Requests to a route: valid as far as the description goes, or with something that is not. */
function shotsAt(route: DescribedRoute, kind: Kind, ids: readonly string[]): fc.Arbitrary<Shot> {
  const { document } = stack();
  const find = (ref: string) => document.named(ref);
  const placed = (where: string) => route.parameters.filter((one) => one.in === where);
  const fieldsIn = (where: string) =>
    fc.record(Object.fromEntries(placed(where).map(({ name, schema }) => [name, kind(valuesOf(schema, find))])), {
      requiredKeys: placed(where).flatMap(({ name, required }) => (required ? [name] : [])),
    });
  const params = fc.tuple(
    ...placed('path').map(({ example }) => fc.oneof(fc.constantFrom(...ids, String(example)), kind(fc.string()))),
  );
  const [type = null, content] = Object.entries(route.requestBody?.content ?? {})[0] ?? [];
  const body =
    type === 'application/json'
      ? kind(fc.oneof(valuesOf(content?.schema ?? {}, find), fc.constant(content?.example)))
      : fc.constant('bytes');
  const query = fc.oneof(fieldsIn('query'), fc.dictionary(fc.constantFrom('after', 'limit', 'x'), fc.string()));
  return fc.tuple(params, query, fieldsIn('header'), body).map(([inPath, inQuery, inHeaders, sent]) => {
    let next = 0;
    const path = route.path.replaceAll(/\{\w+\}/g, () => segment(inPath[next++]));
    const search = new URLSearchParams(Object.entries(inQuery).map(([name, value]) => [name, inUrl(value)]));
    const headers = Object.entries(inHeaders).map(([name, value]): [string, string] => [name, headerOf(value)]);
    const init = { method: route.method, headers: type === null ? headers : [...headers, pair('content-type', type)] };
    const text = type === 'application/json' ? JSON.stringify(sent) : String(sent);
    return {
      path: `${path}${search.size > 0 ? `?${search}` : ''}`,
      init: type === null ? init : { ...init, body: text },
    };
  });
}

const pair = (name: string, value: string): [string, string] => [name, value];

const written = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');

/** Short enough that the request line stays within what any server reads; longer ones are another test's. */
const inUrl = (value: unknown): string => written(value).toWellFormed().slice(0, 1_000);

/** One part of a path, never empty and never two: that would be another route. */
function segment(value: unknown): string {
  const text = written(value).toWellFormed().slice(0, 500);
  return /^\.{0,2}$/.test(text) ? 'x' : encodeURIComponent(text);
}

/** What may stand in a header at all. */
const headerOf = (value: unknown): string =>
  written(value)
    .replaceAll(/[^\x21-\x7e]/g, '~')
    .slice(0, 1_000);

/** Sends a request, and looks at its answer as the description has it. */
async function fire(route: DescribedRoute, { path, init }: Shot): Promise<void> {
  const { document, gateway } = stack();
  const response = await fetch(gateway.url + path, init);
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  const text = isStream ? await response.body?.cancel() : await response.clone().text();
  // Nobody drives runs here, so whoever waits for one waits in vain.
  const isVain = response.status === 503 && route.path === '/v1/chat/completions';
  if (!isVain) expect(response.status).toBeLessThan(500);
  expect(await document.faultsOf(route, response)).toEqual([]);
  if (response.status >= 400) expect(text).not.toMatch(/\\n\s+at |node_modules|\.ts:\d/);
  if (response.status >= 400 && text !== undefined) expect(JSON.parse(text)).toHaveProperty('error.message');
}

describe('every route, from its own description,', () => {
  let ids: string[] = [];

  beforeAll(async () => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ question: 'Why?', sources: { corpora: [corpus] } });
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`${stack().gateway.url}/v1/research`, { method: 'POST', headers, body });
      const { id } = acceptedResource.parse(await response.json());
      await fetch(`${stack().gateway.url}/v1/research/${id}/cancel`, { method: 'POST' });
      ids.push(id, id.replace('run_', 'resp_'));
    }
    ids = [...new Set(ids)];
  });
  afterAll(() => {
    // A fault of the server would stand in its log.
    expect(logged.filter((line) => !line.includes('is not at its end yet'))).toEqual([]);
  });

  it.each<[string, Kind]>([
    ['serves what it describes', (values) => values],
    ['refuses what it does not describe, and says so', spoilt],
  ])('%s', async (_, kind) => {
    const { document } = stack();
    expect(document.routes.length).toBeGreaterThan(20);
    // What deletes comes last, so that the others find something.
    const isLast = ({ method }: DescribedRoute) => Number(method === 'DELETE');
    for (const route of document.routes.toSorted((a, b) => isLast(a) - isLast(b))) {
      const property = fc.asyncProperty(shotsAt(route, kind, ids), async (shot) => await fire(route, shot));
      await fc.assert(property, { numRuns, seed, interruptAfterTimeLimit: 5_000 });
    }
  });
});
