import { Worker } from 'bullmq';
import { type Claim, Runs } from '#runs';
import { acceptanceOf, type WorkerOrder, withMethods } from './fleet-load.ts';

type Driving = Parameters<Runs['answerRuns']>[2];
type DriveOne = (claim: Claim) => Promise<void>;

/** A control: runs that are driven as in service and recorded nowhere. */
export interface Control {
  readonly runs: Runs;
  /** For `memory`: drives all runs, and resolves when the last has ended. */
  begin(): Promise<void>;
  /** When the last run so far ended; epoch milliseconds. */
  endedAt(): number;
  close(): Promise<void>;
}

/** The queue of the control that has one. */
export const controlQueue = { name: 'control', prefix: '{bench}' };

/**
 * With `memory` the runs come from nowhere, all at once. With `queue` each comes as a BullMQ job, as a run does in the
 * fleet, and its claim and its commits are accepted in memory.
 */
export function controlRuns(order: WorkerOrder): Control {
  let last = 0;
  let drive: Driving | undefined;
  let queue: Worker | undefined;
  const { signal } = new AbortController();
  const driveOne: DriveOne = async (claim) => {
    await drive?.(claim, signal);
    last = Date.now();
  };
  const instead = {
    join: async () => ({ workerId: '', lost: signal, retire: async () => undefined, end: async () => undefined }),
    answerRuns: async (_member: unknown, _settings: unknown, driving: Driving) => {
      drive = driving;
      if (order.sink === 'queue') queue = await listening(order, driveOne);
      return { close: async () => undefined };
    },
    commit: async () => ({ accepted: true, cancelRequested: false }),
    texts: async () => new Map(),
  };
  return {
    runs: withMethods(new Runs({ ...absent, database: never, doorbell: never, tail: never }), instead),
    begin: async () => {
      if (order.sink !== 'memory') return;
      await Promise.all(Array.from({ length: order.runs }, async (_, i) => await driveOne(claimOf(i, order))));
    },
    endedAt: () => last,
    close: async () => {
      await queue?.close();
    },
  };
}

/** Hints that nobody hears. */
const absent = { bus: { publish: () => undefined, subscribe: () => () => undefined } };

/** A port whose use would be a fault of the control. */
const never = new Proxy({} as never, {
  get(_target, name) {
    throw new Error(`The control used ${String(name)} of a store.`);
  },
});

async function listening(order: WorkerOrder, drive: DriveOne): Promise<Worker> {
  const { hostname: host, port, password } = new URL(order.redisUrl);
  const connection = { host, port: Number(port), password, maxRetriesPerRequest: null };
  const worker = new Worker(controlQueue.name, async (job) => await drive(claimOf(job.data.number, order)), {
    connection,
    prefix: controlQueue.prefix,
    concurrency: order.concurrency,
    lockDuration: 15_000,
    stalledInterval: 5_000,
  });
  await worker.waitUntilReady();
  return worker;
}

function claimOf(number: number, { pace }: WorkerOrder): Claim {
  const { tenantId, runId, request } = acceptanceOf(number, pace);
  const fresh = { epoch: 1, log: [], startedMs: Date.now(), elapsedSeconds: 0, cancelRequested: false, hopeless: null };
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  return { tenantId, runId, request, workerId: '', traceparent, ...fresh };
}
