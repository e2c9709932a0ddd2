/** What one caller does, by mischief or by misfortune, and what it costs the others: the service over real gRPC. */
import { once } from 'node:events';
import { connect } from 'node:net';
import {
  type ClientReadableStream,
  credentials,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { relayTo } from '../../../../test/support/relay.ts';
import { ask, useToyGroup } from '../../../../test/support/toy-group.ts';
import { answer, leavingOf } from './streams.ts';

const group = useToyGroup();

function clientAt(address: string, options = {}): inference.InferenceServiceClient {
  const client = new inference.InferenceServiceClient(address, credentials.createInsecure(), options);
  group.closing(() => client.close());
  return client;
}

async function infoOf(client: inference.InferenceServiceClient): Promise<inference.GetInfoResponse> {
  return await new Promise((resolve, reject) => {
    client.getInfo({}, (error, info) => (error === null ? resolve(info) : reject(error)));
  });
}

async function failureOf(call: ClientReadableStream<unknown>): Promise<ServiceError> {
  call.resume();
  const [error] = await once(call, 'error');
  return error as ServiceError; // what a call of grpc-js ends with
}

describe('a request above the limit of 32 MiB', () => {
  it('is refused, and the other calls of its connection and of others go on', async () => {
    const { client, address } = await group.stage();
    const other = clientAt(address);
    const watches = [client, other].map((each) => each.watchLoad({ intervalMs: 100 }));
    for (const watch of watches) watch.on('error', () => undefined);
    await Promise.all(watches.map((watch) => once(watch, 'data')));
    const messages = [{ role: 'user', content: 'x'.repeat(32 * 2 ** 20) }];
    const prompt = { $case: 'messages' as const, value: { messages } };
    const { code, details } = await failureOf(client.generate(ask({ prompt })));
    expect({ code, details }).toEqual({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/larger than max/),
    });
    await Promise.all(watches.map((watch) => once(watch, 'data')));
    expect(await infoOf(client)).toMatchObject({ model: 'toy' });
    for (const watch of watches) watch.cancel();
  }, 30_000);
});

describe('a caller that neither reads nor leaves', () => {
  it('has the work for it ended after a while', async () => {
    const ended = Promise.withResolvers<number>();
    async function* endless(): AsyncGenerator<inference.GenerateResponse> {
      const value = { text: 'x'.repeat(2 ** 16), tokenIds: [], channel: 2 as const, logprobs: [] };
      let seq = 0;
      try {
        for (;;) yield { seq: seq++, event: { $case: 'delta', value } };
      } finally {
        ended.resolve(seq);
      }
    }
    const server = new Server();
    type Call = ServerWritableStream<inference.GenerateRequest, inference.GenerateResponse>;
    const { generate } = inference.InferenceServiceService;
    server.addService({ generate }, { generate: (call: Call) => void answer(call, endless(), leavingOf(call), 300) });
    const port = await new Promise<number>((resolve, reject) => {
      const insecure = ServerCredentials.createInsecure();
      server.bindAsync('127.0.0.1:0', insecure, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    group.closing(() => server.forceShutdown());
    const relay = await relayTo(port);
    group.closing(() => relay.close());
    const call = clientAt(relay.address).generate(ask());
    call.on('error', () => undefined);
    await once(call, 'metadata');
    relay.silence();
    expect(await ended.promise).toBeGreaterThan(0);
    call.cancel();
  }, 20_000);
});

describe('keepalive', () => {
  it('does not cut off a caller that asks for signs of life all the time', async () => {
    const { address } = await group.stage();
    const eager = clientAt(address, { 'grpc.keepalive_time_ms': 5, 'grpc.keepalive_timeout_ms': 20_000 });
    const watch = eager.watchLoad({ intervalMs: 100 });
    const failed = failureOf(watch);
    for (let beat = 0; beat < 4; beat++) await Promise.race([once(watch, 'data'), failed]);
    expect(await infoOf(eager)).toMatchObject({ model: 'toy' });
    watch.cancel();
    expect((await failed).code).toBe(status.CANCELLED);
  });

  it('throws out one that asks without end and takes no answers, and serves the others', async () => {
    const { client, server } = await group.stage();
    const socket = connect(server.port, '127.0.0.1').pause();
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    // Cut off while it writes, it is told so.
    socket.on('error', () => undefined);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const ping = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const flood = Buffer.concat(Array.from({ length: 4_096 }, () => ping));
    const go = (): void => {
      while (socket.writable && socket.write(flood));
    };
    socket.on('drain', go);
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings]), go);
    await gone;
    expect(await infoOf(client)).toMatchObject({ model: 'toy' });
  }, 30_000);

  it('ends the reply of a caller that vanished without a word', async () => {
    const broken = Promise.withResolvers<void>();
    const during = async (step: number, signal: AbortSignal) => {
      if (step < 3) return;
      if (!signal.aborted) await once(signal, 'abort');
      broken.resolve();
    };
    const { server, engine } = await group.stage({ during }, { keepalive: { everyMs: 100, limitMs: 2_000 } });
    const relay = await relayTo(server.port);
    group.closing(() => relay.close());
    const call = clientAt(relay.address).generate(ask({ sampling: { maxTokens: 1_900 } }));
    call.on('error', () => undefined);
    await once(call, 'data');
    expect(engine.generator.load.running).toBe(1);
    relay.silence();
    await broken.promise;
    call.cancel();
  }, 30_000);
});
