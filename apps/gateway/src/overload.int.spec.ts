import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { errorResource } from '#contracts';
import { jsonLogger } from '#platform';
import { type FleetRuns, openFleet } from '#runs';
import { offerOf } from '../../../test/support/offers.ts';
import { type Relay, relayTo } from '../../../test/support/relay.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { type FreshDatabase, freshDatabase, sharedRedisUrl } from '../../../test/support/servers.ts';
import { Gateway } from './index.ts';

const offer = offerOf({ providers: ['mediawiki'] });

/** Of requests at once, the gateway works on so many; each waits for a database that is far away. */
const crowd = 20;
const requests = 300;
const delayMs = 20;

let fresh: FreshDatabase;
let relay: Relay;
let store: FleetRuns;
let gateway: Gateway;
const logged: string[] = [];

beforeAll(async () => {
  fresh = await freshDatabase();
  const { port } = new URL(fresh.url);
  relay = await relayTo(Number(port), delayMs);
  const far = new URL(fresh.url);
  far.host = relay.address;
  store = await openFleet({ databaseUrl: far.href, redisUrl: sharedRedisUrl(), role: 'argosy_gateway' });
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, crowd };
  gateway = await Gateway.start(
    store.runs,
    offer,
    options,
    jsonLogger('gateway', 'error', (line) => logged.push(line)),
  );
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await store.close();
  await relay.close();
  await fresh.drop();
});

/** @returns the id of the run; null when the server was too busy, which it must say in the right way */
async function ask(number: number): Promise<string | null> {
  const response = await fetch(`${gateway.url}/v1/research`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `question-${number}` },
    body: JSON.stringify({ question: `Question ${number}?`, sources: { web: true } }),
  });
  const body: unknown = await response.json();
  if (response.status === 202) return (body as { id: string }).id;
  expect(response.status).toBe(503);
  expect(errorResource.parse(body).error.code).toBe('overloaded');
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  return null;
}

async function accepted(): Promise<string[]> {
  const ids: string[] = [];
  for (let before: string | null = null; ; ) {
    const page = await fetch(`${gateway.url}/v1/research?limit=100${before === null ? '' : `&before=${before}`}`);
    const { data, next } = (await page.json()) as { data: { id: string }[]; next: string | null };
    ids.push(...data.map(({ id }) => id));
    if (next === null) return ids.sort();
    before = next;
  }
}

it('a gateway that is asked for more than it can refuses the rest, keeps what it accepted, and takes the rest later', async () => {
  const numbers = Array.from({ length: requests }, (_, number) => number);
  const first = await Promise.all(numbers.map(ask));
  const taken = first.filter((id) => id !== null);
  expect(taken.length).toBeGreaterThan(0);
  expect(taken.length).toBeLessThan(requests);
  expect(await accepted()).toEqual(taken.toSorted());
  // Everybody asks again, as who was refused is told to; who was accepted finds the same run.
  const answers = new Map<number, string>();
  while (answers.size < requests) {
    const open = numbers.filter((number) => !answers.has(number));
    const again = await Promise.all(open.map(async (number) => [number, await ask(number)] as const));
    for (const [number, id] of again) if (id !== null) answers.set(number, id);
  }
  for (const [number, id] of first.entries()) if (id !== null) expect(answers.get(number)).toBe(id);
  expect(await accepted()).toEqual([...answers.values()].sort());
  expect(new Set(answers.values()).size).toBe(requests);
  expect(logged).toEqual([]);
}, 60_000);
