/**
 * An agent worker as a process of its own, with a simulated model. Its order comes as the first argument; says `ready`,
 * begins at `go`, ends at `stop` and says what it measured.
 */
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { AgentWorker, type Surroundings } from '#agent-worker';
import { openFleet, type Runs } from '#runs';
import { controlRuns } from './fleet-control.ts';
import {
  contextBytes,
  modelName,
  simulatedModel,
  type WorkerFigures,
  type WorkerOrder,
  withMethods,
  withSimulatedTools,
} from './fleet-load.ts';
import { percentile } from './result.ts';

const order = JSON.parse(process.argv[2] ?? '') as WorkerOrder;
const commitTimes: number[] = [];

/** Commits as in service, each timed. */
function timed(runs: Runs): Runs {
  const commit = async (...what: Parameters<Runs['commit']>) => {
    const startedAt = performance.now();
    const committed = await runs.commit(...what);
    commitTimes.push(performance.now() - startedAt);
    return committed;
  };
  return withMethods(runs, { commit });
}

/** What this process holds when its garbage is collected. */
function held(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let weighed: WorkerFigures['weighed'] = null;
let heldBefore = 0;
const served = { replies: 0, first: 0, last: 0 };
const model = simulatedModel(({ first, last }) => {
  served.replies += 1;
  served.first += Number(first);
  served.last += Number(last);
  if (served.replies === order.weighAfter) {
    const runs = served.first - served.last;
    weighed = { bytes: held() - heldBefore, contextBytes: contextBytes(served.replies), runs };
  }
});

const store = order.sink === 'record' ? await openFleet(order) : null;
const control = store === null ? controlRuns(order) : null;
const around: Surroundings<Runs> = {
  runs: withSimulatedTools(store === null ? (control?.runs as Runs) : timed(store.runs)),
  models: new Map([[modelName, model]]),
  tools: [],
  now: () => performance.now(),
};
const loop = monitorEventLoopDelay({ resolution: 10 });
const beginning = once(process, 'message');
const worker = await AgentWorker.start(around, order, { log: () => undefined });
process.send?.({ ready: true });
await beginning;

heldBefore = order.weighAfter > 0 ? held() : 0;
const rssBefore = process.memoryUsage.rss();
const cpuBefore = process.cpuUsage();
let rssMost = rssBefore;
const sampling = setInterval(() => {
  rssMost = Math.max(rssMost, process.memoryUsage.rss());
}, 50);
loop.enable();
const ending = once(process, 'message');
await control?.begin();
await ending;
clearInterval(sampling);
loop.disable();
const cpu = process.cpuUsage(cpuBefore);
const figures: WorkerFigures = {
  endedAt: control?.endedAt() ?? 0,
  loopP99Ms: loop.percentile(99) / 1e6,
  loopMaxMs: loop.max / 1e6,
  commitP50Ms: commitTimes.length === 0 ? 0 : percentile(commitTimes, 0.5),
  commitP99Ms: commitTimes.length === 0 ? 0 : percentile(commitTimes, 0.99),
  rssGrowthBytes: rssMost - rssBefore,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  weighed,
};
await worker.stop(1000);
await store?.close();
await control?.close();
process.send?.(figures);
process.disconnect();
