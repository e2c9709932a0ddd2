/** The service over real gRPC, with a model of a few lines. */
import { once } from 'node:events';
import { type ClientReadableStream, credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { health, inference, reflection, rpcDetails, rpcStatus } from '#contracts/rpc';
import { ask, toyContextTokens, toyQuestion, useToyGroup } from '../../../../test/support/toy-group.ts';
import type { ToyOptions } from '../../../../test/support/toy-model.ts';

const group = useToyGroup();

/** Says this, whatever it is asked, behind a prompt of `ask`. */
function saying(text: string): Partial<ToyOptions> {
  const [tokenizer, vocabulary, end] = [group.tokenizer(), group.vocabulary(), group.end()];
  const ids = [...tokenizer.encode(text), end];
  const start = tokenizer.encode(
    tokenizer.renderChat([{ role: 'user', content: toyQuestion }], { addGenerationPrompt: true }),
  );
  return {
    logits: (tokens) => {
      const row = new Float32Array(vocabulary);
      row[ids[tokens.length - start.length] ?? end] = 9;
      return row;
    },
  };
}

type Event = NonNullable<inference.GenerateResponse['event']>;

async function eventsOf(call: ClientReadableStream<inference.GenerateResponse>): Promise<Event[]> {
  const events: Event[] = [];
  let seq = 0;
  for await (const message of call as AsyncIterable<inference.GenerateResponse>) {
    expect(message.seq).toBe(seq++);
    if (message.event !== undefined) events.push(message.event);
  }
  return events;
}

function finishedOf(events: readonly Event[]): inference.Finished {
  const last = events.at(-1);
  if (last?.$case !== 'finished') throw new Error('the reply did not finish');
  return last.value;
}

async function failureOf(call: ClientReadableStream<unknown>): Promise<ServiceError> {
  call.resume();
  const [error] = await once(call, 'error');
  return error as ServiceError; // what a call of grpc-js ends with
}

function detailsOf(metadata: Metadata): rpcStatus.Status['details'] {
  const [bytes] = metadata.get('grpc-status-details-bin');
  return Buffer.isBuffer(bytes) ? rpcStatus.Status.decode(bytes).details : [];
}

function retryOf({ metadata }: ServiceError): rpcDetails.RetryInfo | undefined {
  const [detail] = detailsOf(metadata);
  return detail?.typeUrl.endsWith('/google.rpc.RetryInfo') ? rpcDetails.RetryInfo.decode(detail.value) : undefined;
}

type Done<A> = (error: ServiceError | null, answer: A) => void;

/** One answer. */
function answered<A>(ask: (done: Done<A>) => unknown): Promise<A> {
  return new Promise<A>((resolve, reject) => {
    ask((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });
}

describe('Generate', () => {
  it('streams a reply in its channels, with the usage at its end', async () => {
    const { client } = await group.stage(saying('<think>hm</think>A boat.'));
    const events = await eventsOf(client.generate(ask()));
    expect(events[0]).toEqual({ $case: 'accepted', value: { queueMs: expect.any(Number), cachedTokens: 0 } });
    const channels = new Map<number, string>();
    for (const event of events) {
      if (event.$case !== 'delta') continue;
      channels.set(event.value.channel, (channels.get(event.value.channel) ?? '') + event.value.text);
    }
    expect(Object.fromEntries(channels)).toEqual({ 1: '<think>hm</think>', 2: 'A boat.' });
    const ids = events.flatMap((event) => (event.$case === 'delta' ? event.value.tokenIds : []));
    expect(ids).toEqual([...group.tokenizer().encode('<think>hm</think>A boat.'), group.end()]);
    const { usage, reason } = finishedOf(events);
    const prompt = await answered<inference.CountTokensResponse>((done) =>
      client.countTokens({ prompt: ask().prompt }, done),
    );
    expect(usage).toEqual({ promptTokens: prompt.tokens, cachedTokens: 0, completionTokens: ids.length });
    expect(reason).toBe(inference.FinishReason.FINISH_REASON_STOP);
  });

  it('reuses what the turn before left of its session, of the same tenant alone', async () => {
    const { client } = await group.stage();
    const first = finishedOf(await eventsOf(client.generate(ask())));
    const again = finishedOf(await eventsOf(client.generate(ask({ turn: 1 }))));
    // In whole pages of 16 tokens, and never the last token of a prompt.
    expect(again.usage?.cachedTokens).toBe(16 * Math.floor(((first.usage?.promptTokens ?? 0) - 1) / 16));
    expect(again.usage?.cachedTokens).toBeGreaterThan(0);
    const other = finishedOf(await eventsOf(client.generate(ask({ tenant: 'other' }))));
    expect(other.usage?.cachedTokens).toBe(0);
    const releasedFor = async (tenant: string) => {
      const asked = { sessionId: 's', tenant };
      return (await answered<inference.ReleaseSessionResponse>((done) => client.releaseSession(asked, done)))
        .releasedTokens;
    };
    expect(await releasedFor('stranger')).toBe(0);
    expect(await releasedFor('')).toBeGreaterThan(0);
    expect(finishedOf(await eventsOf(client.generate(ask()))).usage?.cachedTokens).toBe(0);
  });

  it('takes token ids and gives log-probabilities', async () => {
    const { client } = await group.stage();
    const prompt = { $case: 'tokenIds' as const, value: { ids: [1, 2, 3] } };
    const events = await eventsOf(
      client.generate(ask({ prompt, sampling: { logprobs: 1, maxTokens: 3, temperature: 0 } })),
    );
    const deltas = events.flatMap((event) => (event.$case === 'delta' ? [event.value] : []));
    const [ids, logprobs] = [deltas.flatMap(({ tokenIds }) => tokenIds), deltas.flatMap((delta) => delta.logprobs)];
    expect(ids).toHaveLength(3);
    expect(logprobs.map(({ chosen }) => chosen?.id)).toEqual(ids);
    for (const { chosen, top } of logprobs) expect(top).toEqual([chosen]);
    expect(finishedOf(events).reason).toBe(inference.FinishReason.FINISH_REASON_LENGTH);
  });

  it('refuses absurd values by their fields, all at once', async () => {
    const { client } = await group.stage();
    const absurd = ask({
      requestId: '',
      sessionId: 'x'.repeat(257),
      priority: 5_000,
      deadlineMs: 90_000_000,
      constraint: { $case: 'jsonSchema', value: '' },
      sampling: { topP: 7, temperature: -1, stop: [''] },
    });
    const error = await failureOf(client.generate(absurd));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    const [detail] = detailsOf(error.metadata);
    const fields = rpcDetails.BadRequest.decode(detail?.value ?? Buffer.alloc(0)).fieldViolations.map(
      ({ field }) => field,
    );
    const named = ['request_id', 'session_id', 'priority', 'deadline_ms', 'json_schema'];
    expect(fields).toEqual([...named, 'sampling.temperature', 'sampling.top_p', 'sampling.stop[0]']);
    for (const field of fields) expect(error.details).toContain(`${field}: `);
  });

  it('refuses prompts that are none', async () => {
    const { client } = await group.stage();
    const refused = async (prompt: inference.GenerateRequest['prompt']) => {
      const { code, details } = await failureOf(client.generate({ ...ask(), prompt }));
      return `${status[code]} ${details}`;
    };
    expect(await refused(undefined)).toMatch(/^INVALID_ARGUMENT prompt: is missing/);
    expect(await refused({ $case: 'messages', value: { messages: [] } })).toMatch(
      /^INVALID_ARGUMENT messages.messages: is empty/,
    );
    const roles = { messages: [{ role: 'wizard', content: '' }] };
    expect(await refused({ $case: 'messages', value: roles })).toMatch(/messages\.messages\[0\]\.role: is "wizard"/);
    expect(await refused({ $case: 'tokenIds', value: { ids: [0, group.vocabulary()] } })).toMatch(
      /token_ids\.ids\[1\]: is \d+; the model's/,
    );
    const long = Array.from({ length: toyContextTokens }, () => 1);
    expect(await refused({ $case: 'tokenIds', value: { ids: long } })).toMatch(
      /^OUT_OF_RANGE the prompt has 2000 tokens/,
    );
  });

  it('ends by Abort, and knows no id twice at a time', async () => {
    const { client } = await group.stage({ during: async () => await new Promise((resolve) => setImmediate(resolve)) });
    const request = ask({ sampling: { maxTokens: 1_900, temperature: 0 } });
    const { requestId } = request;
    const abort = () => answered<inference.AbortResponse>((done) => client.abort({ requestId }, done));
    const call = client.generate(request);
    const reply = eventsOf(call);
    await once(call, 'metadata');
    expect((await failureOf(client.generate(request))).code).toBe(status.ALREADY_EXISTS);
    expect(await abort()).toEqual({ found: true });
    expect(finishedOf(await reply).reason).toBe(inference.FinishReason.FINISH_REASON_ABORTED);
    expect(await abort()).toEqual({ found: false });
  });

  it('ends when its caller leaves, in the middle of a step', async () => {
    const begun = Promise.withResolvers<void>();
    const broken = Promise.withResolvers<void>();
    const during = async (step: number, signal: AbortSignal) => {
      if (step < 3) return;
      begun.resolve();
      if (!signal.aborted) await once(signal, 'abort');
      broken.resolve();
    };
    const { client, engine } = await group.stage({ during });
    const call = client.generate(ask({ sampling: { maxTokens: 1_900, temperature: 0 } }));
    call.on('error', () => undefined);
    call.resume();
    await begun.promise;
    call.cancel();
    await broken.promise;
    await eventually(() => engine.generator.load.running === 0);
  });

  it('ends with its deadline and what it has', async () => {
    const during = async (step: number, signal: AbortSignal) => {
      if (step === 4 && !signal.aborted) await once(signal, 'abort');
    };
    const { client } = await group.stage({ during });
    const events = await eventsOf(
      client.generate(ask({ deadlineMs: 300, sampling: { maxTokens: 1_900, temperature: 0 } })),
    );
    expect(finishedOf(events).reason).toBe(inference.FinishReason.FINISH_REASON_DEADLINE);
    expect(finishedOf(events).usage?.completionTokens).toBeLessThan(1_900);
  });

  it('tells those who find too many waiting when to come again', async () => {
    const go = Promise.withResolvers<void>();
    const { client } = await group.stage({ during: () => go.promise });
    const wide = { maxTokens: 3_000 };
    const calls = Array.from({ length: 4 }, () => client.generate(ask({ sampling: wide, sessionId: '' })));
    const failures = await Promise.race(calls.map(failureOf));
    expect({ code: failures.code, retry: retryOf(failures) }).toEqual({
      code: status.RESOURCE_EXHAUSTED,
      retry: { retryDelay: { seconds: 1, nanos: 500_000_000 } },
    });
    for (const call of calls) call.on('error', () => undefined).cancel();
    go.resolve();
  });

  it('is UNAVAILABLE with a time to retry when a step fails for a passing reason', async () => {
    const { Unavailable } = await import('#errors');
    const { client } = await group.stage({
      during: async () => await Promise.reject(new Unavailable('shard 2 is lost')),
    });
    const error = await failureOf(client.generate(ask()));
    expect(error).toMatchObject({ code: status.UNAVAILABLE, details: 'shard 2 is lost' });
    expect(retryOf(error)).toEqual({ retryDelay: { seconds: 1, nanos: 0 } });
  });
});

describe('the rest of the service', () => {
  it('says what it serves', async () => {
    const { client } = await group.stage();
    expect(await answered<inference.GetInfoResponse>((done) => client.getInfo({}, done))).toMatchObject({
      model: 'toy',
      draining: false,
      kvTotalTokens: 4_000,
    });
  });

  it('tells its load again and again', async () => {
    const { client } = await group.stage();
    const call = client.watchLoad({ intervalMs: 100 });
    call.on('error', () => undefined);
    const [first] = (await once(call, 'data')) as inference.WatchLoadResponse[];
    expect(first).toMatchObject({ running: 0, waiting: 0, kvUsedTokens: 0, kvTotalTokens: 4_000, residentSessions: 0 });
    expect(first?.balancedness).toBeUndefined();
    await eventsOf(client.generate(ask()));
    const [second] = (await once(call, 'data')) as inference.WatchLoadResponse[];
    expect(second).toMatchObject({ residentSessions: 1, running: 0, cachedTokens: 0 });
    await eventsOf(client.generate(ask({ turn: 1 })));
    const [third] = (await once(call, 'data')) as inference.WatchLoadResponse[];
    expect(third?.promptTokens).toBe(2 * (second?.promptTokens ?? 0));
    expect(third?.cachedTokens).toBeGreaterThan(0);
    call.cancel();
    const refused = client.watchLoad({ intervalMs: 5 });
    expect((await failureOf(refused)).details).toMatch(/^interval_ms: must be 0 or from 100/);
  });

  it('tells nothing of experts that no shards share', async () => {
    const { client } = await group.stage();
    const told = await answered<inference.GetExpertsResponse>((done) => client.getExperts({}, done));
    expect(told).toMatchObject({ layers: [], experts: 0, shards: [] });
  });

  it('drains: known sessions go on, new ones are sent away, until that is called off', async () => {
    const { client } = await group.stage();
    await eventsOf(client.generate(ask()));
    const drain = client.drain({ deadlineMs: 60_000, cancel: false });
    const told: inference.DrainResponse[] = [];
    drain.on('data', (message: inference.DrainResponse) => told.push(message));
    await once(drain, 'data');
    expect((await eventsOf(client.generate(ask()))).at(-1)?.$case).toBe('finished');
    const refused = await failureOf(client.generate(ask({ sessionId: 'new' })));
    expect(refused.code).toBe(status.UNAVAILABLE);
    expect(retryOf(refused)?.retryDelay).toEqual({ seconds: 1, nanos: 500_000_000 });
    await answered<inference.ReleaseSessionResponse>((done) =>
      client.releaseSession({ sessionId: 's', tenant: '' }, done),
    );
    await once(drain, 'end');
    expect(told.at(-1)).toEqual({ residentSessions: 0, running: 0, done: true });
    const off = client.drain({ deadlineMs: 0, cancel: true });
    await once(off.resume(), 'end');
    expect((await eventsOf(client.generate(ask({ sessionId: 'new' })))).at(-1)?.$case).toBe('finished');
  });

  it('tells its health, also to those who watch it until it stops', async () => {
    const { address, server } = await group.stage();
    const client = new health.HealthClient(address, credentials.createInsecure());
    group.closing(() => client.close());
    const check = (service: string) => answered<health.HealthCheckResponse>((done) => client.check({ service }, done));
    expect(await check('')).toEqual({ status: 1 });
    expect(await check('argosy.inference.v1.InferenceService')).toEqual({ status: 1 });
    await expect(check('other')).rejects.toMatchObject({ code: status.NOT_FOUND });
    const watch = client.watch({ service: '' });
    watch.on('error', () => undefined);
    expect(await once(watch, 'data')).toEqual([{ status: 1 }]);
    const next = once(watch, 'data');
    const stopped = server.stop(0);
    expect(await next).toEqual([{ status: 2 }]);
    watch.cancel();
    await stopped;
  });

  it('describes itself by reflection, imports included', async () => {
    const { address } = await group.stage();
    const client = new reflection.ServerReflectionClient(address, credentials.createInsecure());
    group.closing(() => client.close());
    const call = client.serverReflectionInfo();
    const answers: reflection.ServerReflectionResponse[] = [];
    call.on('data', (answer: reflection.ServerReflectionResponse) => answers.push(answer));
    const questions: NonNullable<reflection.ServerReflectionRequest['messageRequest']>[] = [
      { $case: 'listServices', value: '' },
      { $case: 'fileContainingSymbol', value: 'argosy.inference.v1.InferenceService.Generate' },
      { $case: 'fileByFilename', value: 'google/rpc/status.proto' },
      { $case: 'fileByFilename', value: 'none.proto' },
    ];
    for (const messageRequest of questions) call.write({ host: 'h', messageRequest });
    call.end();
    await once(call, 'end');
    const [services, file, imports, none] = answers.map(({ messageResponse }) => messageResponse);
    expect(services?.$case === 'listServicesResponse' && services.value.service.map(({ name }) => name)).toEqual([
      'argosy.inference.v1.InferenceService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
    const files = (answer: typeof file) =>
      answer?.$case === 'fileDescriptorResponse' ? answer.value.fileDescriptorProto : [];
    expect(files(file)[0]?.toString('latin1')).toContain('argosy/inference/v1/inference.proto');
    expect(files(imports)).toHaveLength(2);
    expect(none).toMatchObject({ $case: 'errorResponse', value: { errorCode: status.NOT_FOUND } });
  });
});

async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
