/** Sessions at groups and between them, as the client of the agent workers sees them, over real gRPC. */
import { once } from 'node:events';
import { type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { inference, rpcDetails, rpcStatus } from '#contracts/rpc';
import { type ChatRequest, configuredModels } from '#model';
import type { GenerationEvent, GenerationRequest } from '#moe';
import { readConfig } from '#platform';
import { relayTo } from '../../../../test/support/relay.ts';
import { ask, type Changes, type Stage, toyContextTokens, useToyGroup } from '../../../../test/support/toy-group.ts';

const group = useToyGroup();

type Generating = ReturnType<inference.InferenceServiceClient['generate']>;

async function finished(call: Generating): Promise<inference.GenerateResponse['event']> {
  let last: inference.GenerateResponse['event'];
  for await (const { event } of call as AsyncIterable<inference.GenerateResponse>) last = event;
  return last;
}

/** Details by the names of their types. */
async function refusalOf(call: Generating) {
  call.resume();
  const [error] = (await once(call, 'error')) as [ServiceError];
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const { details } = Buffer.isBuffer(bytes) ? rpcStatus.Status.decode(bytes) : { details: [] };
  const detailOf = (name: string) => details.find(({ typeUrl }) => typeUrl.endsWith(name))?.value ?? Buffer.alloc(0);
  return {
    code: error.code,
    reason: rpcDetails.ErrorInfo.decode(detailOf('ErrorInfo')).reason,
    seconds: rpcDetails.RetryInfo.decode(detailOf('RetryInfo')).retryDelay?.seconds,
  };
}

describe('the sessions of a group', () => {
  const turn = ({ client }: Stage, sessionId: string, changes: Changes = {}) =>
    client.generate(ask({ sessionId, sessionTokensHint: toyContextTokens, ...changes }));

  it('are refused when there is no room for what they may need, with a time, unless they are known', async () => {
    const stage = await group.stage();
    await finished(turn(stage, 'a'));
    await finished(turn(stage, 'b', { tenant: 'other' }));
    expect(await refusalOf(turn(stage, 'c'))).toEqual({
      code: status.RESOURCE_EXHAUSTED,
      reason: 'SESSIONS_FULL',
      seconds: 60,
    });
    // One of another tenant is another one, whatever its name.
    expect((await refusalOf(turn(stage, 'b'))).reason).toBe('SESSIONS_FULL');
    expect((await finished(turn(stage, 'a', { turn: 1 })))?.$case).toBe('finished');
    const watch = stage.client.watchLoad({ intervalMs: 100 }).on('error', () => undefined);
    const [load] = (await once(watch, 'data')) as [inference.WatchLoadResponse];
    watch.cancel();
    expect(load).toMatchObject({ reservedTokens: 2 * toyContextTokens, draining: false });
    const release = { sessionId: 'a', tenant: '' };
    await new Promise<void>((resolve) => stage.client.releaseSession(release, () => resolve()));
    expect((await finished(turn(stage, 'c')))?.$case).toBe('finished');
  });

  it('may have two turns at once, which cost one reservation and give the same text', async () => {
    const stage = await group.stage();
    const replies = await Promise.all([finished(turn(stage, 'a')), finished(turn(stage, 'a'))]);
    expect(replies.map((event) => event?.$case)).toEqual(['finished', 'finished']);
    expect(stage.engine.generator.load.reservedTokens).toBe(toyContextTokens);
  });

  it('take a prompt that leaves room for one token, and none that is longer by one', async () => {
    const stage = await group.stage();
    const prompt = (tokens: number) => {
      return { $case: 'tokenIds' as const, value: { ids: Array.from({ length: tokens }, (_, i) => 1 + (i % 50)) } };
    };
    const last = await finished(turn(stage, 'a', { prompt: prompt(toyContextTokens - 1) }));
    expect(last).toMatchObject({ $case: 'finished', value: { usage: { completionTokens: 1 } } });
    expect(await refusalOf(turn(stage, 'a', { prompt: prompt(toyContextTokens) }))).toMatchObject({
      code: status.OUT_OF_RANGE,
    });
  });
});

/** Some room: the prompt of the profile alone is longer than the toy's usual context. */
const wide = { contextTokens: 16_000, kvTokens: 40_000 };

async function modelAt(addresses: readonly string[]) {
  const spec = `grpc:${addresses.join(',')}#toy`;
  const config = readConfig({ ARGOSY_MODEL: spec, ARGOSY_MODEL_CONTEXT_TOKENS: '16000' });
  const model = (await configuredModels(config)).byName.get('toy');
  if (model === undefined) throw new Error('the model has another name');
  return model;
}

const never = new AbortController().signal;
function requestOf(session: string): ChatRequest {
  const turns = [{ role: 'question' as const, text: 'What is a ferry?' }];
  return { turns, tools: [], today: '2026-11-26', mustAnswer: false, maxCompletionTokens: 240, session, tenant: 't' };
}

/** The reply to this seed has a middle; the one to a seed of chance may be over at once. */
const longSeed = 1;

/** The requests that a group is to answer from now on; a reply that begins with nothing waits in its middle for `lost`. */
function requestsAt({ engine: { generator } }: Stage, lost: Promise<void>): GenerationRequest[] {
  const seen: GenerationRequest[] = [];
  const generate = generator.generate.bind(generator);
  generator.generate = (asked) => {
    const request = { ...asked, sampling: { ...asked.sampling, seed: longSeed } };
    seen.push(request);
    const events = generate(request);
    return (request.generated ?? []).length === 0 ? heldUp(events, lost) : events;
  };
  return seen;
}

/** On a busy machine all of a reply may else be on its way before its group is lost. */
async function* heldUp(events: AsyncIterable<GenerationEvent>, until: Promise<void>): AsyncGenerator<GenerationEvent> {
  let pieces = 0;
  for await (const event of events) {
    if (event.kind === 'delta') pieces += 1;
    if (pieces > 20) await until;
    yield event;
  }
}

async function textOf(stage: Stage, { prompt, sampling, tenant, priority }: GenerationRequest): Promise<string> {
  const told = { prompt, sampling, tenant, priority, session: null, guide: null, abort: never, deadline: never };
  const asked = { ...told, message: inference.GenerateRequest.fromPartial({}) };
  let text = '';
  for await (const event of stage.engine.generator.generate(asked)) if (event.kind === 'delta') text += event.text;
  return text;
}

describe('a run whose group is lost in the middle of a reply', () => {
  it('has the same reply from another one, which computes what was generated and generates the rest', async () => {
    const stages = [await group.stage({}, wide), await group.stage({}, wide)];
    const relays = await Promise.all(stages.map(({ server }) => relayTo(server.port)));
    for (const relay of relays) group.closing(() => relay.close());
    const model = await modelAt(relays.map(({ address }) => address));
    const { promise: lost, resolve: lose } = Promise.withResolvers<void>();
    const [seen = [], seenByOther = []] = stages.map((stage) => requestsAt(stage, lost));
    const pieces: string[] = [];
    const reply = await model.reply(requestOf('r'), never, (text) => {
      pieces.push(text);
      if (pieces.length === 20) void relays[seen.length > 0 ? 0 : 1]?.close().then(lose);
    });
    const requests = [...seen, ...seenByOther];
    expect([seen.length, seenByOther.length]).toEqual([1, 1]);
    const [whole] = requests.filter(({ generated = [] }) => generated.length === 0);
    const [rest] = requests.filter(({ generated = [] }) => generated.length > 0);
    if (whole === undefined || rest === undefined) throw new Error('the reply did not go on');
    expect(rest.generated?.length).toBeGreaterThanOrEqual(20);
    expect(rest.sampling).toEqual(whole.sampling);
    // What a model of random weights says may hold a NUL, which no database takes.
    const kept = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');
    expect(kept(pieces.join(''))).toBe(reply.text);
    expect(reply.text).toBe(kept(await textOf(await group.stage({}, wide), whole)));
    expect(reply.usage.completionTokens).toBeLessThanOrEqual(240);
  }, 30_000);
});
