import { describe, expect, it } from '@jest/globals';
import { type ChatModel, type ChatRequest, tongyiV1 } from '#model';
import { topics } from '#runs';
import { pollMs, tenantId, useAgents } from '../../../test/support/agents.ts';
import { answered, replyOf } from '../../../test/support/research.ts';

/** A model of the test's own making. */
function modelOf(reply: ChatModel['reply']): ChatModel {
  return {
    name: 'scripted',
    profile: tongyiV1.id,
    contextTokens: 1e6,
    countPrompt: async () => ({ tokens: 42, basis: 'estimate' }),
    reply,
  };
}

const notice = replyOf({ problem: 'go on' });
const done = answered().reply;
const turnsOf = ({ turns }: ChatRequest) => turns.filter(({ role }) => role === 'model').length;

describe('AgentWorker', () => {
  const { runs, work, accepted, ended, stopLooking } = useAgents();

  async function handedBack(runId: string): Promise<void> {
    while ((await runs().get(tenantId, runId)).status !== 'queued') {
      await new Promise<void>((resolve) => {
        const unsubscribe = runs().bus.subscribe(topics.moved(tenantId, runId), () => {
          unsubscribe();
          resolve();
        });
        setTimeout(resolve, pollMs);
      });
    }
  }

  it('ends the step it is in when it leaves, and hands the run back at the boundary', async () => {
    const [asked, reply] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const leaving = await work(
      modelOf(async () => {
        asked.resolve();
        await reply.promise;
        return notice;
      }),
    );
    const runId = await accepted();
    await asked.promise;
    await stopLooking();
    const stopped = leaving.stop(20_000);
    reply.resolve();
    await stopped;
    await handedBack(runId);
    expect((await runs().get(tenantId, runId)).lost.modelCalls).toBe(0);
    const heard: number[] = [];
    await work(
      modelOf(async (request) => {
        heard.push(turnsOf(request));
        return done;
      }),
    );
    await runs().dispatch();
    expect(await ended(runId)).toMatchObject({ status: 'completed', report: { usage: { model_calls: 2 } } });
    expect(heard).toEqual([1]);
  });

  it('stops a step in the middle when its time to leave is nearly over, and records the lost reply', async () => {
    const asked = Promise.withResolvers<void>();
    const leaving = await work(
      modelOf(async (_request, signal) => {
        asked.resolve();
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw signal.reason;
      }),
    );
    const runId = await accepted();
    await asked.promise;
    await stopLooking();
    await leaving.stop(100);
    await handedBack(runId);
    expect((await runs().get(tenantId, runId)).lost).toEqual({ modelCalls: 1, promptTokens: 0 });
    await work(modelOf(async () => done));
    await runs().dispatch();
    expect(await ended(runId)).toMatchObject({ status: 'completed', report: { usage: { model_calls: 1 } } });
  });

  it('gives a run up with what it has, and the reason, when its driver fails again and again without a step', async () => {
    await work(
      modelOf(async () => {
        throw new Error('a bug in a model');
      }),
    );
    const run = await ended(await accepted());
    expect(run).toMatchObject({ status: 'failed', report: { status: 'failed' } });
    expect(run.report?.incomplete_details?.message).toContain('a bug in a model');
  });

  it.each<[string, Parameters<typeof accepted>[0], string]>([
    ['a profile', { profile: 'tongyi-v0' }, 'tongyi-v0'],
    ['a model', { model: 'unheard-of' }, 'unheard-of'],
  ])('fails a run that needs %s which is not there, naming it', async (_what, request, name) => {
    await work(modelOf(async () => done));
    const run = await ended(await accepted(request));
    expect(run).toMatchObject({ status: 'failed' });
    expect(run.report?.incomplete_details?.message).toContain(name);
  });
});
