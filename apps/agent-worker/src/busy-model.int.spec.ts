/** Runs whose model has no place for them: they leave theirs to others, and come back. */
import { describe, expect, it } from '@jest/globals';
import { type ChatModel, ModelBusy, tongyiV1 } from '#model';
import { tenantId, useAgents } from '../../../test/support/agents.ts';
import { answered, limitsOf, replyOf } from '../../../test/support/research.ts';

const done = answered().reply;
const never = new AbortController().signal;

function modelOf(reply: ChatModel['reply']): ChatModel {
  const countPrompt: ChatModel['countPrompt'] = async () => ({ tokens: 42, basis: 'estimate' });
  return { name: 'scripted', profile: tongyiV1.id, contextTokens: 1e6, countPrompt, reply };
}

describe('a run whose model is busy', () => {
  const { runs, work, accepted, ended } = useAgents();
  const waitsOf = async (runId: string) => {
    const events = await runs().eventsSoFar(tenantId, runId);
    return events.filter(({ type }) => type === 'run.waiting').map(({ data }) => data);
  };

  it('waits outside for as long as the model asks, is charged nothing for it, and goes on', async () => {
    const askedAt: number[] = [];
    let status = '';
    await work(
      modelOf(async ({ session }) => {
        if (askedAt.push(performance.now()) === 1) throw new ModelBusy('every session has its place', 1_200);
        status = (await runs().get(tenantId, session)).status;
        return done;
      }),
    );
    const runId = await accepted();
    const run = await ended(runId);
    expect(run).toMatchObject({ status: 'completed', lost: { modelCalls: 0 }, report: { usage: { model_calls: 1 } } });
    expect((askedAt[1] ?? 0) - (askedAt[0] ?? 0)).toBeGreaterThanOrEqual(1_200);
    expect([askedAt.length, status]).toEqual([2, 'running']);
    expect(await waitsOf(runId)).toEqual([{ reason: 'model', seconds: 2 }]);
  });

  it('says that it waits, is not taken before its time, and is ended at once when that is asked for', async () => {
    let calls = 0;
    await work(
      modelOf(async () => {
        // Its first step is taken: whoever ends it has something to report.
        if (++calls === 1) return replyOf({ problem: 'go on' });
        throw new ModelBusy('every session has its place', 3_600_000);
      }),
    );
    const runId = await accepted();
    for await (const { type } of runs().events(tenantId, runId, 0, never)) if (type === 'run.waiting') break;
    expect(await runs().standing(tenantId, runId)).toEqual({ status: 'waiting', queuePosition: null });
    expect(await runs().dispatch()).toBe(0);
    await runs().requestCancel(tenantId, runId);
    expect((await ended(runId)).status).toBe('cancelled');
    expect(calls).toBe(2);
  });

  it('ends with what it has when its own time is over first', async () => {
    await work(
      modelOf(async () => {
        throw new ModelBusy('every session has its place', 3_600_000);
      }),
    );
    const limits = limitsOf({ budget: { steps: 10, seconds: 3 }, answerSeconds: 1 });
    const run = await ended(await accepted({ limits }));
    expect(run).toMatchObject({ status: 'incomplete', report: { incomplete_details: { reason: 'max_seconds' } } });
  });
});
