import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { buildConnector } from 'undici';
import { type Dial, dialer, resolveByLookup, vettedConnector } from './connector.ts';
import { EgressBlocked, EgressFault } from './faults.ts';
import { compilePolicy } from './policy.ts';

const policy = compilePolicy({ allow: [], deny: [], ports: [80, 443] });

/** Connects through the guard to `host`; `dial` sees vetted addresses only. */
function connectTo(url: string, answers: () => Promise<readonly string[]>, dial: Dial): Promise<Socket> {
  const { hostname, host, protocol, port } = new URL(url);
  const connector = vettedConnector({ policy, resolve: answers, dial, connectMs: 200 });
  return new Promise((resolve, reject) => {
    const bare = hostname.replace(/^\[|\]$/g, '');
    connector({ hostname: bare, host, protocol, port }, (error, socket) => (error ? reject(error) : resolve(socket)));
  });
}

/** Writes down every target and fails the first `failures` of them. */
function recordingDial(failures = 0): { dial: Dial; dialled: buildConnector.Options[]; limits: number[] } {
  const dialled: buildConnector.Options[] = [];
  const limits: number[] = [];
  const dial: Dial = async (target, timeoutMs) => {
    dialled.push(target);
    limits.push(timeoutMs);
    if (dialled.length <= failures) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    return new Socket();
  };
  return { dial, dialled, limits };
}

describe('vettedConnector', () => {
  it('dials the vetted address under the name of the host', async () => {
    const { dial, dialled } = recordingDial();
    await connectTo('https://shop.example/', async () => ['93.184.216.34'], dial);
    expect(dialled).toMatchObject([
      { hostname: '93.184.216.34', port: '443', servername: 'shop.example', host: 'shop.example' },
    ]);
  });

  it.each(['http://127.0.0.1/', 'http://[::1]/', 'https://[::ffff:7f00:1]/'])(
    'vets the literal in %s, for which nothing is resolved',
    async (url) => {
      const { dial, dialled } = recordingDial();
      const never = () => Promise.reject(new Error('asked the resolver'));
      await expect(connectTo(url, never, dial)).rejects.toThrow(EgressBlocked);
      expect(dialled).toEqual([]);
    },
  );

  it('tries the other family second, three addresses at most, and shares the time among them', async () => {
    const { dial, dialled, limits } = recordingDial(2);
    const answers = ['2606:4700::1', '2606:4700::2', '1.1.1.1', '1.0.0.1'];
    await connectTo('http://many.example/', async () => answers, dial);
    expect(dialled.map((target) => target.hostname)).toEqual(['2606:4700::1', '1.1.1.1', '2606:4700::2']);
    expect(limits).toEqual([67, 67, 67]);
  });

  it.each([
    ['ENOTFOUND', 'invalid'],
    ['EAI_AGAIN', 'transient'],
    ['ESERVFAIL', 'transient'],
  ])('fails closed when the resolver says %s', async (code, kind) => {
    const { dial, dialled } = recordingDial();
    const broken = () => Promise.reject(Object.assign(new Error('dns'), { code }));
    const fault = await connectTo('http://gone.example/', broken, dial).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(EgressFault);
    expect(fault).toMatchObject({ kind });
    expect(dialled).toEqual([]);
  });

  it('fails closed when there are no answers at all', async () => {
    const { dial } = recordingDial();
    await expect(connectTo('http://void.example/', async () => [], dial)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('does not wait for a resolver that never answers', async () => {
    const { dial } = recordingDial();
    const silent = () => new Promise<never>(() => undefined);
    await expect(connectTo('http://mute.example/', silent, dial)).rejects.toMatchObject({ kind: 'transient' });
  });
});

describe('dialer', () => {
  it('sends the host name as SNI to the address it dials', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const hello = once(server, 'connection').then(async ([socket]) => {
      const [bytes] = await once(socket, 'data');
      socket.destroy();
      return String(bytes);
    });
    const { port } = server.address() as AddressInfo;
    const target = { hostname: '127.0.0.1', host: 'shop.example', servername: 'shop.example', protocol: 'https:' };
    await expect(dialer()({ ...target, port: String(port) }, 5_000)).rejects.toThrow();
    expect(await hello).toContain('shop.example');
    server.close();
  });
});

describe('resolveByLookup', () => {
  it('knows localhost and the names below it without asking anyone', async () => {
    expect(await resolveByLookup('localhost')).toEqual(['127.0.0.1', '::1']);
    expect(await resolveByLookup('no-such-name.localhost')).toEqual(['127.0.0.1', '::1']);
  });
});
