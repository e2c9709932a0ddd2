/** Agent workers over an embedded store, and what goes on around them, for the tests of one file. */
import { afterEach } from '@jest/globals';
import { AgentWorker } from '#agent-worker';
import type { ChatModel } from '#model';
import type { Runs } from '#runs';
import { ToolWorker } from '#tool-worker';
import type { Tool } from '#tools';
import { runsOn, useStore } from './embedded.ts';
import { keepLooking } from './looking.ts';
import { acceptanceOf, requestOf } from './research.ts';

export const tenantId = 'acme';

/** How often somebody looks for work. */
export const pollMs = 50;

const settings = { leaseMs: 600_000, relookMs: pollMs, pollMs };
const silent = { log: () => undefined };

export interface Agents {
  runs(): Runs;
  /** Starts a worker whose runs all have this model, and one for its tools; both are stopped after the test. */
  work(model: ChatModel): Promise<AgentWorker>;
  /** Accepts a run and keeps the backlog moving. @returns its id */
  accepted(changes?: Parameters<typeof requestOf>[0]): Promise<string>;
  /** The run when it has ended. */
  ended(runId: string): ReturnType<Runs['get']>;
  /** Moves the backlog no more. */
  stopLooking(): Promise<void>;
}

/** @param tools what the models are offered; to be called where the tests of a block are registered */
export function useAgents(tools: readonly Tool[] = []): Agents {
  const store = useStore(runsOn(settings));
  const runs = () => store().runs;
  const workers: { stop(graceMs: number): Promise<void> }[] = [];
  const looking: (() => Promise<void>)[] = [];
  let made = 0;
  const stopLooking = async () => {
    await Promise.all(looking.splice(0).map((stop) => stop()));
  };
  afterEach(async () => {
    await stopLooking();
    await Promise.all(workers.splice(0).map((worker) => worker.stop(0)));
  });
  return {
    runs,
    stopLooking,
    async work(model) {
      made += 1;
      const offered = tools.map(({ signature }) => signature);
      const models = new Map([['scripted', model]]);
      const around = { runs: runs(), models, tools: offered, now: () => performance.now() };
      const agent = await AgentWorker.start(around, { workerId: `agent-${made}`, concurrency: 4 }, silent);
      workers.push(agent);
      if (tools.length === 0) return agent;
      workers.push(await ToolWorker.start(runs(), tools, { workerId: `tool-${made}`, concurrency: 4 }, silent));
      return agent;
    },
    async accepted(changes = {}) {
      made += 1;
      const runId = `run-${made}`;
      await runs().accept(acceptanceOf(tenantId, runId, { request: requestOf(changes) }));
      await runs().dispatch();
      looking.push(keepLooking(runs(), pollMs));
      return runId;
    },
    async ended(runId) {
      for await (const { type } of runs().events(tenantId, runId, 0, new AbortController().signal)) void type;
      return await runs().get(tenantId, runId);
    },
  };
}
