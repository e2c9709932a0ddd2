import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { atEnd, serve } from '../../../test/support/web-servers.ts';
import { type Dial, type Resolve, resolveByLookup } from './connector.ts';
import { Egress } from './egress.ts';
import { EgressBlocked, EgressFault } from './faults.ts';
import { compilePolicy, vetAnswers, vetUrl } from './policy.ts';
import { EgressProxy } from './proxy.ts';
import { deniedRanges, hostileAnswers, hostileHosts, hostileUrls, publicHosts } from './vectors.contract.ts';

/** How an attempt ended; `failed`: allowed, but the network had nothing there. */
type Outcome = 'blocked' | 'invalid' | 'failed' | 'answered';

/** The network that a door leads to. */
interface World {
  readonly resolve: Resolve;
  readonly dial: Dial;
}

interface Door {
  readonly name: string;
  /** The URL of a host, or what the door takes instead. */
  readonly spell: (host: string) => string;
  readonly open: (world: World) => Promise<(target: string) => Promise<Outcome>>;
}

const rules = { deny: deniedRanges };
const http = (host: string) => `http://${host}/`;
const https = (host: string) => `https://${host}/`;

function outcomeOf(error: unknown): Outcome {
  if (error instanceof EgressBlocked) return 'blocked';
  if (!(error instanceof EgressFault)) throw error;
  return error.trouble === undefined ? 'invalid' : 'failed';
}

async function fetching(world: World, via?: string): Promise<(url: string) => Promise<Outcome>> {
  const egress = new Egress({ ...rules, userAgent: 'test', resolve: world.resolve, via }, via ? undefined : world.dial);
  atEnd(() => egress.close());
  return async (url) => {
    try {
      await egress.fetch(url, { signal: AbortSignal.timeout(5_000) });
      return 'answered';
    } catch (error) {
      return outcomeOf(error);
    }
  };
}

async function proxyIn({ resolve, dial }: World): Promise<EgressProxy> {
  const proxy = await EgressProxy.start({ ...rules, resolve }, dial);
  atEnd(() => proxy.close(0));
  return proxy;
}

/** Says one request line to a proxy, as no well-behaved client would, and reads what it makes of it. */
async function saying(world: World, line: (target: string) => string): Promise<(target: string) => Promise<Outcome>> {
  const { hostname, port } = new URL((await proxyIn(world)).url);
  return async (target) => {
    const socket = connect(Number(port), hostname);
    atEnd(() => socket.destroy());
    socket.write(`${line(target)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [Buffer];
    socket.end();
    const answer = String(first) + (await text(socket));
    expect(answer).not.toMatch(/\b\d+\.\d+\.\d+\.\d+\b/);
    const outcomes: Record<string, Outcome> = { 400: 'invalid', 403: 'blocked', 502: 'failed', 504: 'failed' };
    return outcomes[answer.slice(9, 12)] ?? 'answered';
  };
}

/** The rules alone, as a fetch asks them. */
async function judging({ resolve }: World): Promise<(url: string) => Promise<Outcome>> {
  const policy = compilePolicy({ allow: [], deny: deniedRanges, ports: [80, 443] });
  return async (url) => {
    try {
      const { host, port } = vetUrl(url, policy);
      const literal = /^[\d.]+$|:/.test(host);
      vetAnswers({ host, port }, literal ? [host] : await resolve(host), policy);
      return 'answered';
    } catch (error) {
      return outcomeOf(error);
    }
  };
}

const byUrl: readonly Door[] = [
  { name: 'the policy', spell: http, open: judging },
  { name: 'a fetch', spell: http, open: (world) => fetching(world) },
  { name: 'a fetch over TLS', spell: https, open: (world) => fetching(world) },
  { name: 'a fetch by the proxy', spell: http, open: async (world) => fetching(world, (await proxyIn(world)).url) },
  { name: 'a tunnelled fetch', spell: https, open: async (world) => fetching(world, (await proxyIn(world)).url) },
  { name: 'absolute form', spell: http, open: (world) => saying(world, (url) => `GET ${url}`) },
];
const byHost: readonly Door[] = [
  ...byUrl,
  { name: 'CONNECT', spell: (host) => `${host}:443`, open: (world) => saying(world, (to) => `CONNECT ${to}`) },
  {
    name: 'CONNECT to port 80',
    spell: (host) => `${host}:80`,
    open: (world) => saying(world, (to) => `CONNECT ${to}`),
  },
];

/** A network where nothing answers, and which notes what was dialled. */
function deadEnd(resolve: Resolve = resolveByLookup) {
  const dialled: string[] = [];
  const dial: Dial = async ({ hostname }) => {
    dialled.push(hostname);
    throw Object.assign(new Error('nobody there'), { code: 'ECONNREFUSED' });
  };
  return { dialled, world: { resolve, dial } };
}

describe.each(byHost)('$name', ({ spell, open }) => {
  it.each(hostileHosts)('does not lead to %s: %s', async (_, host) => {
    const { dialled, world } = deadEnd();
    const reach = await open(world);
    // A request line is ASCII: other digits are no host there, or no request.
    const refusals = /[^\x20-\x7e]/.test(host) ? ['blocked', 'invalid'] : ['blocked'];
    expect(refusals).toContain(await reach(spell(host)));
    expect(dialled).toEqual([]);
  });

  it.each(publicHosts)('leads to public %s', async (host) => {
    const { dialled, world } = deadEnd();
    const reach = await open(world);
    const outcome = await reach(spell(host));
    if (open === judging) expect(outcome).toBe('answered');
    else expect({ outcome, dialled: dialled.length }).toEqual({ outcome: 'failed', dialled: 1 });
  });

  it.each(hostileAnswers)('does not lead to a name of which the resolver says %s', async (_, answers) => {
    const { dialled, world } = deadEnd(async () => answers);
    expect(await (await open(world))(spell('honest.example'))).toBe('blocked');
    expect(dialled).toEqual([]);
  });

  if (open !== judging) {
    it.each([
      ['fails', () => Promise.reject(Object.assign(new Error('dns'), { code: 'EAI_AGAIN' }))],
      ['does not know the name', () => Promise.reject(Object.assign(new Error('dns'), { code: 'ENOTFOUND' }))],
      ['knows no address', async () => []],
    ])('is shut when the resolver %s', async (_, resolve) => {
      const { dialled, world } = deadEnd(resolve);
      expect(await (await open(world))(spell('gone.example'))).toBe('failed');
      expect(dialled).toEqual([]);
    });
  }

  it('resolves a name once for a connection, and does not follow it to where it is rebound', async () => {
    const site = await serve((_, response) => response.setHeader('connection', 'close').end('public'));
    const answers = [['93.184.216.34'], ['127.0.0.1']];
    let asked = 0;
    const dialled: string[] = [];
    const dial: Dial = async ({ hostname }) => {
      dialled.push(hostname);
      const socket = connect(site.port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    const reach = await open({ resolve: async () => answers[asked++] ?? [], dial });
    const first = await reach(spell('rebind.example'));
    expect(asked).toBe(1);
    expect(await reach(spell('rebind.example'))).toBe('blocked');
    expect(first).not.toBe('blocked');
    expect(dialled).toEqual(open === judging ? [] : ['93.184.216.34']);
  });
});

describe.each(byUrl.filter(({ spell }) => spell === http))('$name', ({ name, open }) => {
  it.each(hostileUrls)('takes %s for what it is: %s', async (_, url) => {
    const { dialled, world } = deadEnd(async () => ['93.184.216.34']);
    const refusals: Outcome[] = name === 'absolute form' ? ['blocked', 'invalid'] : ['blocked'];
    expect(refusals).toContain(await (await open(world))(url));
    expect(dialled).toEqual([]);
  });
});
