import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { jsonLogger } from '#platform';
import type { Claim, Membership, Runs } from '#runs';
import { DataDirectory, openEmbedded } from '#runs';
import { useStore } from '../../../test/support/embedded.ts';
import { acceptanceOf, reportOf } from '../../../test/support/research.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './index.ts';

const tenantId = 'local';
const offer = { models: new Map(), defaultModel: 'none', providers: [], knowsCorpus: () => false };
const quiet = jsonLogger('gateway', 'error', () => undefined);

/** Most events that one look at the database gives. */
const lookful = 500;

/** Tells what a gateway follows. */
class Watched {
  readonly runs: Runs;
  opened = 0;
  /** Events that were handed to the gateway. */
  taken = 0;
  /** Called when a stream is not followed any more. */
  onLeft: () => void = () => undefined;

  constructor(runs: Runs) {
    const batches = (...args: Parameters<Runs['eventBatches']>) => this.#follow(runs.eventBatches(...args));
    this.runs = new Proxy(runs, {
      get: (target, name) => {
        if (name === 'eventBatches') return batches;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async *#follow(batches: ReturnType<Runs['eventBatches']>): ReturnType<Runs['eventBatches']> {
    this.opened += 1;
    try {
      for await (const events of batches) {
        this.taken += events.length;
        yield events;
      }
    } finally {
      this.onLeft();
    }
  }
}

const stack = useStore(async (folder) => {
  const directory = DataDirectory.hold(folder);
  const store = await openEmbedded(directory);
  const member = await store.runs.join({ workerId: 'test-worker', role: 'agent-worker', slots: 10 });
  // A reader that reads is never taken for one that does not, however late a busy machine lets it.
  const options = { host: '127.0.0.1', port: 0, tenantId, signingKey, heartbeatMs: 40, stallMs: 2_000 };
  const watched = new Watched(store.runs);
  const gateway = await Gateway.start(watched.runs, offer, options, quiet);
  const close = async (): Promise<void> => {
    await gateway.stop();
    await member.end();
    await store.close();
    await directory.release();
  };
  return { gateway, runs: store.runs, watched, member, close };
});

let made = 0;

/** A run that a worker of ours drives while the test lasts. @returns what to do with it */
async function driven(): Promise<{ claim: Claim; done: () => Promise<void> }> {
  const { runs, member }: { runs: Runs; member: Membership } = stack();
  made += 1;
  await runs.accept(acceptanceOf(tenantId, `run_${made}`));
  const [claimed, done] = [Promise.withResolvers<Claim>(), Promise.withResolvers<void>()];
  const driving = await runs.answerRuns(member, { concurrency: 1 }, async (claim) => {
    claimed.resolve(claim);
    await done.promise;
  });
  await runs.dispatch();
  const claim = await claimed.promise;
  const finish = async (): Promise<void> => {
    done.resolve();
    await driving.close({ abortAfterMs: 1_000 });
  };
  return { claim, done: finish };
}

async function end({ claim, done }: Awaited<ReturnType<typeof driven>>): Promise<void> {
  const outcome = { state: 'completed', report: reportOf(claim.runId) } as const;
  await stack().runs.commit(claim, { events: [{ type: 'run.completed', data: {} }], outcome });
  await done();
}

const pathOf = ({ runId }: Claim): string => `/v1/research/${runId}/events`;

/** Numbers of the events in a piece of a stream, but for one that was cut off. */
function numbersIn(text: string): number[] {
  const whole = text.slice(0, text.lastIndexOf('\n\n') + 2);
  return [...whole.matchAll(/^id: (\d+)$/gm)].map(([, number]) => Number(number));
}

describe('an event stream', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
  });

  it('is cut off when its client takes nothing, in bounds, and goes on exactly where the client was', async () => {
    const run = await driven();
    const cutOff = Promise.withResolvers<void>();
    stack().watched.onLeft = cutOff.resolve;
    const socket = await asking(pathOf(run.claim));
    sockets.push(socket);
    // Far more than the kernel holds for a connection.
    const text = 'x'.repeat(20_000);
    const pages = 24;
    const before = stack().watched.taken;
    for (let i = 0; i < pages; i++) {
      const events = Array.from({ length: 50 }, () => ({ type: 'step.started', data: { text } }) as const);
      await stack().runs.commit(run.claim, { events });
    }
    await cutOff.promise;
    const received = await restOf(socket);
    const got = numbersIn(received);
    const last = got.at(-1) ?? 0;
    // Of what went to nobody, no more than a look's worth was ever read for it, and that is less than there is.
    expect(stack().watched.taken - before).toBeLessThanOrEqual(last + lookful);
    expect(last + lookful).toBeLessThan(pages * 50);
    expect(got).toEqual(from(1, last));
    expect(last).toBeLessThan(pages * 50);
    await end(run);
    const rest = await fetch(stack().gateway.url + pathOf(run.claim), { headers: { 'last-event-id': String(last) } });
    expect(numbersIn(await rest.text())).toEqual(from(last + 1, pages * 50 + 4));
  });

  it('is told to be there still when nothing comes, each for itself', async () => {
    const run = await driven();
    const streams = Array.from({ length: 20 }, async () => await fetch(stack().gateway.url + pathOf(run.claim)));
    const responses = await Promise.all(streams);
    await Promise.all(responses.map(async (response) => await afterHeartbeats(response, 3)));
    await end(run);
  });

  it('ends when its caller may not go on, and only that one', async () => {
    const run = await driven();
    const revoked = new AbortController();
    const admission = {
      admit: async () => ({
        tenantId,
        keyId: 'key',
        scopes: new Set(['research:read'] as const),
        limits: null,
        ends: revoked.signal,
      }),
    };
    const options = { host: '127.0.0.1', port: 0, tenantId, signingKey, admission };
    const gateway = await Gateway.start(stack().runs, offer, options, quiet);
    try {
      const [ending, staying] = await Promise.all(
        [gateway, stack().gateway].map(async ({ url }) => await fetch(url + pathOf(run.claim))),
      );
      revoked.abort();
      expect(numbersIn((await ending?.text()) ?? '').length).toBeLessThan(4);
      await end(run);
      expect(numbersIn((await staying?.text()) ?? '').at(-1)).toBe(4);
    } finally {
      await gateway.stop();
    }
  });

  it('answers HEAD without following the run', async () => {
    const run = await driven();
    const { opened } = stack().watched;
    const response = await fetch(stack().gateway.url + pathOf(run.claim), { method: 'HEAD' });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(stack().watched.opened).toBe(opened);
    await end(run);
  });
});

function from(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** A client that sends a request and then reads nothing. */
async function asking(path: string): Promise<Socket> {
  const { port } = new URL(stack().gateway.url);
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      resolve(socket.pause());
    });
    socket.on('error', reject);
  });
}

/** What was on its way to a client that begins to read after the server has given it up. */
async function restOf(socket: Socket): Promise<string> {
  let text = '';
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.removeAllListeners('error').on('error', () => undefined);
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.resume();
  await closed;
  // Without the lengths between the chunks.
  return text.replaceAll(/\r\n[0-9a-f]+\r\n/g, '');
}

async function afterHeartbeats(response: Response, count: number): Promise<void> {
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.split(': still here\n\n').length > count) return;
  }
  throw new Error(`The stream ended after ${text}.`);
}
