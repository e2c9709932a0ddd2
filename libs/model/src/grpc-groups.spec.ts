/** The client against several groups that play what they are told, over real gRPC. */
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import type { Turn } from '#domain';
import {
  type Call,
  closeGroups,
  type Group,
  groupThat,
  type Play,
  refuse,
  say,
} from '../../../test/support/playing-group.ts';
import { type ChatRequest, ModelBusy } from './chat-model.ts';
import { grpcModel } from './grpc-model.ts';
import type { GrpcModelOptions } from './grpc-options.ts';
import { tongyiV1 } from './tongyi.ts';

afterEach(closeGroups);

const answer = '<think>Hm.</think><answer>It scatters.</answer>';
const question: Turn = { role: 'question', text: 'Why is the sky blue?' };
const later: readonly Turn[] = [question, { role: 'model', text: answer, calls: [] }, question];
const never = new AbortController().signal;
const { COMBINE_MODE_DETERMINISTIC } = inference.CombineMode;

function requestOf(session: string, turns: readonly Turn[] = [question]): ChatRequest {
  return { turns, tools: [], today: '2026-11-26', mustAnswer: false, maxCompletionTokens: 500, session, tenant: 't' };
}

const free = { reservedTokens: 0, kvTotalTokens: 1_000_000, prefillBacklogTokens: 0 };

async function groupsThat(...plays: readonly Play[]): Promise<readonly Group[]> {
  return await Promise.all(plays.map(groupThat));
}

function modelOf(groups: readonly Pick<Group, 'address'>[], changes: Partial<GrpcModelOptions> = {}) {
  const addresses = groups.map(({ address }) => address);
  const common = { name: 'g', profile: tongyiV1, contextTokens: 100_000, retry: { tries: 2, firstDelayMs: 1 } };
  return grpcModel({ ...common, addresses, random: () => 0.5, ...changes });
}

const sessionsOf = ({ asked }: Group) => asked.map(({ sessionId }) => sessionId);
/** Tells its ids, and then nothing more until the test goes on. */
function begin(call: Call, pieces: readonly string[]): void {
  call.write({ seq: 0, event: { $case: 'accepted', value: { queueMs: 0, cachedTokens: 0 } } });
  for (const [i, text] of pieces.entries()) {
    const value = { text, tokenIds: [10 + i], channel: 2 as const, logprobs: [] };
    call.write({ seq: i + 1, event: { $case: 'delta', value } });
  }
}

describe('a model behind several inference groups', () => {
  it('spreads runs by what is reserved, keeps each at its group, and gives it back when the run is over', async () => {
    const groups = await groupsThat(
      (call) => say(call, answer),
      (call) => say(call, answer),
    );
    for (const group of groups) {
      group.load = () => ({ ...free, reservedTokens: new Set(sessionsOf(group)).size * 75_000 });
    }
    const model = modelOf(groups);
    for (const session of ['r1', 'r2', 'r3', 'r4']) await model.reply(requestOf(session), never);
    for (const session of ['r1', 'r2', 'r3', 'r4']) await model.reply(requestOf(session, later), never);
    const [one = [], other = []] = groups.map(sessionsOf);
    expect([one.length, other.length]).toEqual([4, 4]);
    expect(new Set(one).size + new Set(other).size).toBe(4);
    expect(groups[0]?.asked[0]).toMatchObject({ tenant: 't', sessionTokensHint: 75_000 });
    await model.release?.({ session: 'r1', tenant: 't' });
    const home = groups.find((group) => sessionsOf(group).includes('r1'));
    expect(groups.flatMap(({ released }) => released)).toEqual([{ sessionId: 'r1', tenant: 't' }]);
    expect(home?.released).toHaveLength(1);
  });

  it('has another group go on with a reply whose group died, from the tokens and with the seed that it had', async () => {
    const dies: Play = (call) => begin(call, ['<think>Hm.</think>', '<answer>It ']);
    const goesOn: Play = (call) => say(call, answer);
    let victim: Group | undefined;
    const plays = (call: Call): void => {
      const mine = groups.find((group) => group.asked.includes(call.request));
      victim ??= mine;
      (mine === victim ? dies : goesOn)(call, 0, Promise.resolve());
    };
    const groups = await groupsThat(plays, plays);
    for (const group of groups) group.info = { ...group.info, combineMode: COMBINE_MODE_DETERMINISTIC };
    const told: string[] = [];
    const reply = await modelOf(groups).reply(requestOf('r'), never, (text) => {
      told.push(text);
      if (text === '<answer>It ') victim?.kill();
    });
    expect(reply.text).toBe(answer);
    expect(told.join('')).toBe(answer);
    const [first, second] = [victim, groups.find((group) => group !== victim)].map((group) => group?.asked[0]);
    expect(first?.generated).toBeUndefined();
    expect(second?.generated).toEqual({ ids: [10, 11] });
    expect(second?.sampling?.seed).toBe(2 ** 47);
    expect(first?.sampling?.seed).toBe(2 ** 47);
  });

  it('tells a reply anew that is another one at the group that goes on', async () => {
    const plays: Play = (call) => {
      if (groups.flatMap(({ asked }) => asked).length === 1) {
        begin(call, ['<think>So']);
        call.emit('error', { code: status.UNAVAILABLE, details: 'lost' });
      } else say(call, answer);
    };
    const groups = await groupsThat(plays, plays);
    const told: string[] = [];
    expect((await modelOf(groups).reply(requestOf('r'), never, (text) => told.push(text))).text).toBe(answer);
    expect(told.join('')).toBe(`<think>So${answer}`);
  });

  it('leaves a group that lives and answers nothing for one that does', async () => {
    const silent: Play = () => undefined;
    const speaks: Play = (call) => say(call, answer);
    const groups = await groupsThat(silent, speaks);
    const [mute] = groups;
    if (mute !== undefined) mute.load = () => free;
    const model = modelOf(groups, { silenceMs: 80 });
    // By its load it is the best one, and it is known of the other that it has nothing to tell.
    expect((await model.reply(requestOf('r'), never)).text).toBe(answer);
    expect(groups.map(({ asked }) => asked.length)).toEqual([1, 1]);
    expect((await model.reply(requestOf('r', later), never)).text).toBe(answer);
    expect(groups.map(({ asked }) => asked.length)).toEqual([1, 2]);
  });

  it('asks the others when one is full, and says at once when all are, with the shortest of their times', async () => {
    const full =
      (seconds: number): Play =>
      (call) =>
        refuse(call, status.RESOURCE_EXHAUSTED, 'every session has its place', seconds, 'SESSIONS_FULL');
    const groups = await groupsThat(full(9), full(4));
    const fault: unknown = await modelOf(groups)
      .reply(requestOf('r'), never)
      .catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(ModelBusy);
    // Spread by an eighth: random is a half.
    expect(fault).toMatchObject({ kind: 'quota', retryAfterMs: Math.round(4_001 * 1.125) });
    expect(groups.map(({ asked }) => asked.length)).toEqual([1, 1]);
    const mixed = await groupsThat(full(9), (call) => say(call, answer));
    expect((await modelOf(mixed).reply(requestOf('r'), never)).text).toBe(answer);
  });

  it('waits in the line of its home, and does not leave it because it is long', async () => {
    let refusals = 1;
    const plays: Play = (call, index) => {
      if (index > 0 && refusals-- > 0) refuse(call, status.RESOURCE_EXHAUSTED, '64 generations wait already', 0);
      else say(call, answer);
    };
    const groups = await groupsThat(plays, plays);
    const model = modelOf(groups);
    await model.reply(requestOf('r'), never);
    await model.reply(requestOf('r', later), never);
    expect(groups.map(({ asked }) => asked.length).toSorted()).toEqual([0, 3]);
  });

  it('asks for the reading of a page as no session at all', async () => {
    const groups = await groupsThat((call) => say(call, 'nothing'));
    const reading = { goal: 'g', title: 't', parts: ['p'] };
    await modelOf(groups).reply({ ...requestOf('r'), reading }, never);
    expect(groups[0]?.asked[0]?.sessionId).toBe('');
  });
});
