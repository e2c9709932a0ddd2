import { afterEach, expect, it } from '@jest/globals';
import type { ToolKind } from '#domain';
import { ForOthers, type Tool } from '#tools';
import { runsOn, useStore } from '../../../test/support/embedded.ts';
import { acceptanceOf, asked, observationOf, placed } from '../../../test/support/research.ts';
import { ToolWorker } from './tool-worker.ts';

const store = useStore(runsOn({ leaseMs: 600_000, relookMs: 200, pollMs: 50 }));
const workers: ToolWorker[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop(0)));
});

const visit = (run: Tool['run']): Tool => ({
  signature: { name: 'visit', description: '', parameters: {} },
  deadlineMs: 60_000,
  sideEffects: false,
  run,
});

async function work(kind: ToolKind, run: Tool['run']): Promise<void> {
  const options = { workerId: kind, concurrency: 1, kinds: [kind] };
  workers.push(await ToolWorker.start(store().runs, [visit(run)], options, { log: () => undefined }));
}

it('a visit that finds that it needs a browser is performed by a worker that has one', async () => {
  const { runs } = store();
  await work('visit', async () => {
    throw new ForOthers('browser');
  });
  await work('browser', async () => ({ observation: observationOf('shown'), snapshots: new Map() }));
  const agent = await runs.join({ workerId: 'agent', role: 'agent-worker', slots: 1 });
  const calls = [placed({ tool: 'visit', args: { url: ['https://a.example/'], goal: 'b' } }, 0)];
  const outcome = Promise.withResolvers<unknown>();
  const answering = await runs.answerRuns(agent, { concurrency: 1 }, async (run, stop) => {
    await runs.commit(run, { step: { number: 1, event: asked(...calls), answered: [] }, events: [], intents: calls });
    outcome.resolve(await runs.callTools(run, calls, stop));
  });
  await runs.accept(acceptanceOf('acme', 'run-1'));
  await runs.dispatch();
  expect(await outcome.promise).toMatchObject([{ observation: observationOf('shown') }]);
  await answering.close({ abortAfterMs: 0 });
  await agent.end();
});
