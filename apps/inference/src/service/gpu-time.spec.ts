/** What a group tells of the time of its GPUs, over real gRPC, with a model whose steps take what a clock of the test says. */
import { describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { ask, type Changes, type Stage, useToyGroup } from '../../../../test/support/toy-group.ts';

const group = useToyGroup();
/** Of one step. Two replies share it in whole numbers. */
const stepMs = 12;

/** @param during what else happens in a step, by its number from 1 */
async function stage(gpus: number, during: (step: number) => Promise<void> = async () => {}): Promise<Stage> {
  let ms = 0;
  const step = async (number: number): Promise<void> => {
    await during(number);
    ms += stepMs;
  };
  return await group.stage({ during: step }, { gpus, now: () => ms });
}

async function finishedOf({ client }: Stage, changes: Changes): Promise<inference.Finished> {
  const call = client.generate(ask(changes));
  for await (const { event } of call as AsyncIterable<inference.GenerateResponse>) {
    if (event?.$case === 'finished') return event.value;
  }
  throw new Error('the reply did not finish');
}

const lasting = (maxTokens: number): Changes => ({
  ...{ sessionId: `s${maxTokens}`, sessionTokensHint: 200 },
  sampling: { maxTokens },
});

describe('the time of the GPUs of a group', () => {
  it('is shared by replies at the same time, and adds up to the time in which there were any', async () => {
    let second: Promise<inference.Finished> | undefined;
    const staged = await stage(2, async (step) => {
      // The first has been at it for three steps.
      if (step !== 4) return;
      second = finishedOf(staged, lasting(8));
      while (staged.engine.generator.load.waiting === 0) await new Promise(setImmediate);
    });
    const first = await finishedOf(staged, lasting(20));
    const told = [first, await second].map((finished) => finished?.usage?.gpuMs ?? 0);
    const busyMs = stepMs * staged.model.steps.length;
    const shared = staged.model.steps.filter((step) => step.length === 2).length;
    expect(shared).toBeGreaterThan(4);
    expect(told[0]).toBe(2 * (busyMs - stepMs * shared) + stepMs * shared);
    expect(told).toEqual([told[0], stepMs * shared]);
    expect(staged.engine.generator.load.busyMs).toBe(busyMs);
    // Idle time is nobody's.
    const { usage } = await finishedOf(staged, lasting(5));
    expect(usage?.gpuMs).toBe(2 * (stepMs * staged.model.steps.length - busyMs));
  });

  it('is told of a reply that was aborted, too', async () => {
    const staged = await stage(4, async (step) => {
      if (step === 3) await new Promise((done) => staged.client.abort({ requestId: 'unwanted' }, done));
    });
    const { reason, usage } = await finishedOf(staged, { ...lasting(20), requestId: 'unwanted' });
    expect(reason).toBe(inference.FinishReason.FINISH_REASON_ABORTED);
    expect(usage?.gpuMs).toBe(4 * (staged.engine.generator.load.busyMs ?? 0));
    expect(usage?.gpuMs).toBeGreaterThan(0);
  });

  it('is absent, not 0, where a group has none', async () => {
    const staged = await stage(0);
    const { usage } = await finishedOf(staged, lasting(4));
    expect(usage).toMatchObject({ completionTokens: 4, gpuMs: undefined });
  });
});
