/** Requests that are no messages, or hold numbers that this engine cannot count with, over real gRPC. */
import { Client, credentials, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { expert, health, inference, reflection, rpcDetails, rpcStatus } from '#contracts/rpc';
import { InvalidInput } from '#errors';
import { residentExperts, useTinyModel } from '../../../../test/support/expert-group.ts';
import { ask, useToyGroup } from '../../../../test/support/toy-group.ts';
import { ShardServer } from '../shard/shard-server.ts';
import { malformed } from './malformed.ts';

const group = useToyGroup();
const model = useTinyModel();
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Sends bytes as the one request of a method, and reads to its end. @throws ServiceError */
async function send(
  address: string,
  { path, requestStream }: Pick<MethodDefinition<never, unknown>, 'path' | 'requestStream'>,
  bytes: Uint8Array,
): Promise<Buffer[]> {
  const client = new Client(address, credentials.createInsecure());
  closing.push(() => client.close());
  const same = (value: Buffer): Buffer => value;
  const options = { deadline: Date.now() + 20_000 };
  const [asked, answered] = [Buffer.from(bytes), [] as Buffer[]];
  const stream = requestStream && client.makeBidiStreamRequest(path, same, same, options);
  const call = stream || client.makeServerStreamRequest(path, same, same, asked, options);
  if (stream) stream.end(asked);
  for await (const answer of call as AsyncIterable<Buffer>) answered.push(answer);
  return answered;
}

/** The status, and each field that its details name. */
async function refusalOf(sent: Promise<unknown>): Promise<{ status: string; fields: string[]; details: string }> {
  const error: Partial<ServiceError> = await sent.then(
    () => ({}),
    (thrown: unknown) => thrown as ServiceError, // what a call of grpc-js ends with
  );
  const [packed] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const details = Buffer.isBuffer(packed) ? rpcStatus.Status.decode(packed).details : [];
  const fields = details.flatMap(({ value }) => rpcDetails.BadRequest.decode(value).fieldViolations);
  return {
    status: status[error.code ?? status.OK],
    fields: fields.map(({ field }) => field),
    details: error.details ?? '',
  };
}

/** A field of this number that is a varint of ten bytes at most. */
function numberField(field: number, value: bigint): Buffer {
  const bytes = field < 16 ? [field * 8] : [((field * 8) & 0x7f) | 0x80, (field * 8) >> 7];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

const bytesField = (field: number, bytes: Uint8Array) => Buffer.from([field * 8 + 2, bytes.length, ...bytes]);

const { generate, getInfo } = inference.InferenceServiceService;
const request = () => Buffer.from(inference.GenerateRequest.encode(ask()).finish());
/** Sampling is field 6 of a request, the seed field 7 of sampling. */
const seeded = (seed: bigint) => Buffer.concat([request(), bytesField(6, numberField(7, seed))]);

describe('a request that cannot be read', () => {
  it.each([2n ** 53n, 2n ** 64n - 1n])('is refused for its seed of %d, by the name of the field', async (seed) => {
    const { address } = await group.stage();
    const { fields, details, ...refusal } = await refusalOf(send(address, generate, seeded(seed)));
    expect({ ...refusal, fields }).toEqual({ status: 'INVALID_ARGUMENT', fields: ['sampling.seed'] });
    expect(details).toMatch(/^sampling\.seed: holds a number beyond 2\^53, at byte \d+ of \d+$/);
  });

  it('is answered while the largest seed is', async () => {
    const { address } = await group.stage();
    expect((await send(address, generate, seeded(2n ** 53n - 1n))).length).toBeGreaterThan(2);
  });

  it('is refused where it is cut off, and the connection serves on', async () => {
    const { address, client } = await group.stage();
    const cut = await refusalOf(send(address, generate, request().subarray(0, 1)));
    expect(cut).toMatchObject({ status: 'INVALID_ARGUMENT', fields: ['request_id'] });
    const nested = bytesField(4, bytesField(1, Buffer.from([0x0a, 40, 1])));
    const inside = await refusalOf(send(address, generate, nested));
    expect(inside).toMatchObject({ status: 'INVALID_ARGUMENT', fields: ['messages.messages.role'] });
    const answer = await new Promise((resolve) => client.getInfo({}, (error) => resolve(error)));
    expect(answer).toBeNull();
  });

  it('is refused by every service of the port', async () => {
    const { address } = await group.stage();
    const broken = Buffer.from([0x0a, 9]);
    expect(await refusalOf(send(address, getInfo, broken))).toMatchObject({ status: 'INVALID_ARGUMENT' });
    const check = await refusalOf(send(address, health.HealthService.check, broken));
    expect(check).toMatchObject({ status: 'INVALID_ARGUMENT', fields: ['service'] });
    const { serverReflectionInfo } = reflection.ServerReflectionService;
    const asked = await refusalOf(send(address, serverReflectionInfo, broken));
    expect(asked).toMatchObject({ status: 'INVALID_ARGUMENT', fields: ['host'] });
  });

  it('is refused by a shard, in a stream as well', async () => {
    const shard = await ShardServer.start(
      residentExperts(model.checkpoint()),
      { listen: '127.0.0.1:0' },
      { log: () => undefined },
    );
    closing.push(() => shard.stop(0));
    const { load, forward } = expert.ExpertShardServiceService;
    const address = `127.0.0.1:${shard.port}`;
    const publish = bytesField(4, numberField(1, 2n ** 60n));
    expect(await refusalOf(send(address, load, publish))).toMatchObject({
      status: 'INVALID_ARGUMENT',
      fields: ['publish.plan_epoch'],
    });
    expect(await refusalOf(send(address, forward, numberField(2, 2n ** 53n)))).toMatchObject({
      status: 'INVALID_ARGUMENT',
      fields: ['plan_epoch'],
    });
  });
});

describe('malformed', () => {
  it('keeps what the decoder said where it finds nothing itself, and names what is in no described file', () => {
    const error = new Error('too deep');
    const found = malformed('argosy.inference.v1.GenerateRequest', request(), error);
    expect(found.message).toBe('argosy.inference.v1.GenerateRequest: cannot be read: too deep');
    expect(malformed('argosy.none.v1.Request', Buffer.from([1]), error).message).toMatch(
      /^argosy\.none\.v1\.Request: /,
    );
    const own = new InvalidInput([{ path: 'ForwardRequest.dtype', message: '9 is none of 1, 2' }]);
    expect(malformed('argosy.expert.v1.ForwardRequest', new Uint8Array(), own)).toBe(own);
  });

  it('passes over fields that it does not know, whatever they hold', () => {
    const unknown = Buffer.concat([numberField(99, 2n ** 64n - 1n), seeded(2n ** 63n)]);
    expect(malformed('argosy.inference.v1.GenerateRequest', unknown, new Error('no')).message).toMatch(
      /^sampling\.seed: /,
    );
  });
});
