/** The client against a group that plays what it is told, over real gRPC. */
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import type { Turn } from '#domain';
import { Aborted } from '#errors';
import {
  type Call,
  closeGroups,
  type Group,
  groupThat,
  type Play,
  refuse,
  say,
  usage,
} from '../../../test/support/playing-group.ts';
import { ModelFault } from './chat-model.ts';
import type { Clock } from './clock.ts';
import { grpcModel } from './grpc-model.ts';
import type { GrpcModelOptions } from './grpc-options.ts';
import { tongyiV1 } from './tongyi.ts';

afterEach(closeGroups);

const question: Turn = { role: 'question', text: 'Why is the sky blue?' };
const requestOf = (turns: readonly Turn[] = [question]) => {
  return { turns, tools: [], today: '2026-11-26', mustAnswer: false, maxCompletionTokens: 500, session: 'run-1' };
};
const never = new AbortController().signal;

/** Waits for nothing but notes how long it would have; a wait for longer than a try may take never ends. */
function patient(): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    waits,
    now: () => 0,
    sleep: async (ms, signal) => {
      if (ms <= 60_000) waits.push(ms);
      else if (!signal.aborted) await once(signal, 'abort');
    },
  };
}

function modelAt(group: Pick<Group, 'address'>, changes: Partial<GrpcModelOptions> = {}) {
  const retry = { tries: 2 };
  return grpcModel({
    addresses: [group.address],
    name: 'g',
    profile: tongyiV1,
    contextTokens: 131_072,
    retry,
    random: () => 0,
    ...changes,
  });
}

const answer = '<think>Hm.</think><answer>It scatters.</answer>';

describe('a model behind an inference group', () => {
  it('gives the reply as its profile reads it, the pieces as they came, and the usage of the group', async () => {
    const group = await groupThat((call) => say(call, answer));
    const pieces: string[] = [];
    const reply = await modelAt(group).reply(requestOf(), never, (text) => pieces.push(text));
    expect(reply).toMatchObject({ text: answer, calls: [], usage });
    expect(reply.answer?.map(({ text }) => text)).toEqual(['It scatters.']);
    expect(pieces.join('')).toBe(answer);
    expect(pieces.length).toBeGreaterThan(5);
  });

  it('counts the time of GPUs of all tries that told it, and none where no group has', async () => {
    const { FINISH_REASON_ABORTED, FINISH_REASON_STOP } = inference.FinishReason;
    const told = await groupThat((call, index) => {
      const took = { ...usage, gpuMs: index === 0 ? 400 : 1_500 };
      say(call, answer, index === 0 ? FINISH_REASON_ABORTED : FINISH_REASON_STOP, took);
    });
    const { usage: used, times } = await modelAt(told, { clock: patient() }).reply(requestOf(), never);
    expect({ used, times }).toMatchObject({ used: { ...usage, gpuMs: 1_900 }, times: { tries: 2 } });
    const silent = await groupThat((call) => say(call, answer));
    expect((await modelAt(silent).reply(requestOf(), never)).usage).toEqual(usage);
  });

  it('holds replies to the form of its profile where it is told to, and reads none as whole that was cut short', async () => {
    const FinishReason = inference.FinishReason;
    const group = await groupThat((call, index) => {
      say(call, answer, index === 2 ? FinishReason.FINISH_REASON_LENGTH : FinishReason.FINISH_REASON_STOP);
    });
    await modelAt(group).reply(requestOf(), never);
    const held = modelAt(group, { isHeld: true });
    await held.reply(requestOf(), never);
    expect(group.asked.map(({ constraint, maxReasoningTokens }) => [constraint, maxReasoningTokens])).toEqual([
      [undefined, undefined],
      [{ $case: 'grammar', value: tongyiV1.form?.(requestOf()) }, 250],
    ]);
    expect((await held.reply(requestOf(), never)).problem).toMatch(/not complete.*cut at its limit of 500 tokens/);
  });

  it('asks as one session, turn by turn, with the stop strings and settings of its profile', async () => {
    const group = await groupThat((call) => say(call, answer));
    const model = modelAt(group);
    await model.reply(requestOf(), never);
    await model.reply(requestOf([question, { role: 'model', text: answer, calls: [] }, question]), never);
    expect(group.asked.map(({ sessionId, turn }) => [sessionId, turn])).toEqual([
      ['run-1', 0],
      ['run-1', 1],
    ]);
    expect(group.asked[0]?.requestId).not.toBe(group.asked[1]?.requestId);
    const { temperature, topP, presencePenalty, stop, maxTokens, seed } = group.asked[0]?.sampling ?? {};
    expect({ stop, maxTokens, seed }).toEqual({ stop: tongyiV1.stop, maxTokens: 500, seed: undefined });
    expect([temperature, topP, presencePenalty]).toEqual([0.85, 0.95, 1.1].map((value) => expect.closeTo(value, 5)));
    const prompt = group.asked[0]?.prompt;
    expect(prompt?.$case === 'messages' && prompt.value.messages.map(({ role }) => role)).toEqual(['system', 'user']);
  });

  it('counts prompts by the group, and by an estimate where it does not answer', async () => {
    const group = await groupThat(() => undefined);
    const length = tongyiV1.render(requestOf()).messages.reduce((sum, { content }) => sum + content.length, 0);
    expect(await modelAt(group).countPrompt(requestOf())).toEqual({ tokens: length, basis: 'tokenizer' });
    expect((await modelAt({ address: '127.0.0.1:1' }).countPrompt(requestOf())).basis).toBe('estimate');
  });

  it('waits as long as the group asks, then tries again', async () => {
    const group = await groupThat((call, index) => {
      if (index === 0) refuse(call, status.RESOURCE_EXHAUSTED, '3 generations wait already', 7);
      else say(call, answer);
    });
    const clock = patient();
    expect((await modelAt(group, { clock }).reply(requestOf(), never)).text).toBe(answer);
    expect(clock.waits).toEqual([7_001]);
  });

  it.each([
    [status.UNAVAILABLE, 1, 'transient', /refused with UNAVAILABLE: draining\. Look into its log.*\(Tried 2 times\)/],
    [status.RESOURCE_EXHAUSTED, 1, 'quota', /has no room now/],
    [status.INVALID_ARGUMENT, undefined, 'invalid', /refused with INVALID_ARGUMENT: draining\. Check the settings/],
    [status.OUT_OF_RANGE, undefined, 'invalid', /ARGOSY_MODEL_CONTEXT_TOKENS/],
    [status.UNIMPLEMENTED, undefined, 'invalid', /Something else than an inference group/],
    [status.PERMISSION_DENIED, undefined, 'blocked', /ARGOSY_MODEL_TLS_CERT_FILE/],
  ] as const)('treats status %d by its class', async (code, retrySeconds, kind, message) => {
    const group = await groupThat((call) => refuse(call, code, 'draining', retrySeconds));
    const fault = await modelAt(group, { clock: patient() })
      .reply(requestOf(), never)
      .catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(ModelFault);
    expect(fault).toMatchObject({ kind, message: expect.stringMatching(message) });
    expect(group.asked).toHaveLength(kind === 'transient' || kind === 'quota' ? 2 : 1);
  });

  it('says where nobody answers', async () => {
    const reply = modelAt({ address: '127.0.0.1:1' }, { clock: patient() }).reply(requestOf(), never);
    await expect(reply).rejects.toThrow(
      /^No inference group answers at 127\.0\.0\.1:1\. Check that it is running.*Tried 2 times/,
    );
  });

  it('ends the reply at the group when nobody wants it any more', async () => {
    const begun = Promise.withResolvers<Call>();
    const group = await groupThat((call) => {
      call.write({ seq: 0, event: { $case: 'accepted', value: { queueMs: 0, cachedTokens: 0 } } });
      begun.resolve(call);
    });
    const abort = new AbortController();
    const reply = modelAt(group)
      .reply(requestOf(), abort.signal)
      .catch((error: unknown) => error);
    const call = await begun.promise;
    const cancelled = once(call, 'cancelled');
    abort.abort(new Error('enough'));
    expect(await reply).toBeInstanceOf(Aborted);
    await cancelled;
    expect(group.asked).toHaveLength(1);
  });

  it('gives up on a group that falls silent', async () => {
    const group = await groupThat((call) => {
      call.write({ seq: 0, event: { $case: 'accepted', value: { queueMs: 0, cachedTokens: 0 } } });
    });
    const reply = modelAt(group, { silenceMs: 60, retry: { tries: 1 } }).reply(requestOf(), never);
    await expect(reply).rejects.toThrow(/said nothing for 60 ms/);
  });

  it('takes a reply that was cut for what it is, and one without an end or a text for none', async () => {
    const { FINISH_REASON_LENGTH, FINISH_REASON_ABORTED } = inference.FinishReason;
    const cut = await groupThat((call) => say(call, 'x <answer>It sc', FINISH_REASON_LENGTH));
    expect((await modelAt(cut).reply(requestOf(), never)).problem).toMatch(
      /not complete.*cut at its limit of 500 tokens/,
    );
    const plays: [Play, RegExp][] = [
      [(call) => call.end(), /cut its reply off before the end/],
      [(call) => say(call, ''), /sent an empty reply/],
      [(call) => say(call, answer, FINISH_REASON_ABORTED), /aborted the reply, which nobody here asked for/],
    ];
    for (const [play, message] of plays) {
      const group = await groupThat(play);
      await expect(modelAt(group, { clock: patient() }).reply(requestOf(), never)).rejects.toThrow(message);
    }
  });

  it('has the group end a reply that runs in a circle, and counts what it cost', async () => {
    const group = await groupThat(async (call, _index, aborted) => {
      for (let seq = 0; seq < 400; seq++) {
        const value = { text: 'round and ', tokenIds: [1], channel: 2 as const, logprobs: [] };
        call.write({ seq, event: { $case: 'delta', value } });
      }
      await aborted;
      say(call, '', inference.FinishReason.FINISH_REASON_ABORTED);
    });
    const reply = await modelAt(group).reply(requestOf(), never);
    expect(reply).toMatchObject({ usage, problem: expect.stringContaining('round and') });
    expect(group.aborted).toEqual([group.asked[0]?.requestId]);
  });

  it('asks no group whose context is smaller than what runs are planned for', async () => {
    const group = await groupThat((call) => say(call, answer));
    group.info = { ...group.info, contextTokens: 4_096 };
    await expect(modelAt(group).reply(requestOf(), never)).rejects.toThrow(/Set ARGOSY_MODEL_CONTEXT_TOKENS=4096\./);
    expect(group.asked).toHaveLength(0);
    expect((await modelAt(group, { contextTokens: 4_096 }).reply(requestOf(), never)).text).toBe(answer);
  });

  it('lets no other checkpoint go on with a run', async () => {
    const group = await groupThat((call) => say(call, answer));
    const model = modelAt(group, { clock: patient() });
    await model.reply(requestOf(), never);
    group.info = { ...group.info, checkpointSha256: 'bb' };
    await expect(model.reply(requestOf(), never)).rejects.toThrow(
      /answers as "m \(bb\)", but this run began with "m \(aa\)"/,
    );
    expect((await model.reply(requestOf([{ ...question }]), never)).text).toBe(answer);
  });
});
