/**
 * An agent worker as a process of its own, with a model over HTTP and simulated tools. Its order comes as the first
 * argument; says what it has used whenever it is asked, and ends with whoever started it.
 */
import { AgentWorker, type Surroundings } from '#agent-worker';
import { configuredModels } from '#model';
import { readConfig, startTelemetry } from '#platform';
import { openFleet, type Runs } from '#runs';
import { modelName, withSimulatedTools } from './fleet-load.ts';

/** Metrics alone are not sent: they are there to be read. */
export type Measured = 'nothing' | 'metrics' | 'everything';

export interface TelemetryOrder {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly modelUrl: string;
  readonly measured: Measured;
  /** Where spans and metrics are sent, where that is everything. */
  readonly otlpUrl: string;
  readonly concurrency: number;
}

/** What a process has used up to now. */
export interface Used {
  readonly cpuMs: number;
  readonly rssBytes: number;
}

const order = JSON.parse(process.argv[2] ?? '') as TelemetryOrder;
const silent = { log: () => undefined };
const sent = order.measured === 'everything' ? { ARGOSY_OTLP_URL: order.otlpUrl } : {};
if (order.measured !== 'nothing') await startTelemetry('bench', readConfig(sent), silent);
const { runs } = await openFleet(order);
const { byName: models } = await configuredModels(
  readConfig({ ARGOSY_MODEL: `openai:${order.modelUrl}#${modelName}` }),
);
const around: Surroundings<Runs> = {
  runs: withSimulatedTools(runs),
  models,
  tools: [{ name: 'look', description: 'Looks.', parameters: { type: 'object' } }],
  now: () => performance.now(),
};
await AgentWorker.start(around, { workerId: `bench-${process.pid}`, concurrency: order.concurrency }, silent);
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() } satisfies Used);
});
process.once('disconnect', () => process.exit(0));
process.send?.('ready');
