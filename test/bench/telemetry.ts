import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Dispatcher } from '#dispatcher';
import { newTraceparent } from '#platform';
import { openFleet, type Runs } from '#runs';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { acceptMany, modelName, withMethods } from './fleet-load.ts';
import { type Stage, Stages } from './fleet-stage.ts';
import { prose } from './loop-steps.ts';
import { type Benchmark, percentile, type Row, round } from './result.ts';
import type { Measured, TelemetryOrder, Used } from './telemetry-worker.ts';

const pairs = 20;
const runs = 12;
/** Of a run: the model and its tools in turn, its answer and the check of it. */
const steps = 20;
/** Of each reply, in events of 4, as servers send tokens. */
const replyCharacters = 1_000;
const limitMs = 120_000;
/** Rounds in which a worker whose receiver is dead fills all that it may keep: over 20,000 spans. */
const deadRounds = 20;
const mostMib = 64;

/** How a receiver treats what it is sent. */
type Receiver = 'takes all' | 'says nothing' | 'is not there';

/**
 * The processor time of an agent worker's step with spans and metrics sent, every trace of them, against without any, and
 * with metrics alone, as Prometheus reads them: the model over HTTP, streamed, the tools simulated. And the memory of a worker whose receiver is dead. Two workers on stages
 * of their own do the same in turn; what each used is read when both have.
 */
export const telemetry: Benchmark = async (say) => {
  const [one, other] = [await Stages.open(), await Stages.open()];
  const model = await startModelServer(play, { model: modelName, purpose: 'benchmark' });
  try {
    const rows: Row[] = [];
    const ratios: Record<string, number> = {};
    for (const [measured, what, bound] of arms) {
      const how = { model, receiver: 'takes all', measured } as const;
      const { on, off } = await bothOn(one, other, how, async (workers) => {
        return await interleaved(workers, (line) => say(`${what}: ${line}`));
      });
      rows.push(stepRow(`nothing is measured, beside: ${what}`, off), stepRow(what, on));
      const more = on.map((ms, pair) => ms / (off[pair] ?? Number.NaN));
      ratios[`processor time of a step where ${what}, to without: median of all pairs${bound}`] = round(
        percentile(more, 0.5),
        3,
      );
    }
    for (const receiver of ['says nothing', 'is not there'] as const) {
      say(`memory: the receiver ${receiver}`);
      const how = { model, receiver, measured: 'everything' } as const;
      const more = await bothOn(one, other, how, async (workers) => await grown(workers));
      const what = `memory beyond that of a worker that measures nothing, where the receiver ${receiver}`;
      rows.push({ what, steps: deadRounds * runs * steps, mib: round(more / 2 ** 20, 1), most_mib: mostMib });
    }
    const params = { pairs, runs, steps, load_at_end: round(loadavg()[0] ?? 0) };
    return { params, rows, ratios };
  } finally {
    await model.close();
    await one.close();
    await other.close();
  }
};

const arms: readonly (readonly [measured: Measured, what: string, bound: string])[] = [
  ['everything', 'spans and metrics are sent', ' (at most 1.05)'],
  ['metrics', 'metrics alone are measured', ''],
];

interface Setting {
  readonly model: ModelServer;
  readonly receiver: Receiver;
  readonly measured: Measured;
}

interface Workers {
  readonly sending: Worker;
  readonly silent: Worker;
}

/** One worker that measures, and sends to such a receiver, and one that measures nothing. */
async function bothOn<T>(
  one: Stages,
  other: Stages,
  { model, receiver, measured }: Setting,
  measure: (workers: Workers) => Promise<T>,
): Promise<T> {
  const server = await listen(receiver);
  try {
    return await one.use(async (stage) => {
      return await other.use(async (silentStage) => {
        const sending = await Worker.start(stage, model, { otlpUrl: server.url, measured });
        const silent = await Worker.start(silentStage, model, { otlpUrl: server.url, measured: 'nothing' });
        try {
          return await measure({ sending, silent });
        } finally {
          await sending.end();
          await silent.end();
        }
      });
    });
  } finally {
    server.close();
  }
}

/** @returns milliseconds of a step, by pair */
async function interleaved({ sending, silent }: Workers, say: (line: string) => void) {
  const [on, off]: [number[], number[]] = [[], []];
  // What runs for the first time is compiled.
  for (const worker of [sending, silent]) await worker.drive();
  let before = [await sending.used(), await silent.used()];
  for (let pair = 1; pair <= pairs; pair++) {
    for (const worker of pair % 2 === 0 ? [sending, silent] : [silent, sending]) await worker.drive();
    const after = [await sending.used(), await silent.used()];
    const [with_ = 0, without = 0] = after.map(({ cpuMs }, at) => (cpuMs - (before[at]?.cpuMs ?? 0)) / (runs * steps));
    before = after;
    on.push(with_);
    off.push(without);
    say(`pair ${pair} of ${pairs}: ${round(without, 3)} ms of a step without, ${round(with_, 3)} with`);
  }
  return { on, off };
}

/** @returns by how many bytes more the one grew that sends to nobody */
async function grown({ sending, silent }: Workers): Promise<number> {
  const growths: number[] = [];
  for (const worker of [sending, silent]) {
    const { rssBytes } = await worker.used();
    for (let time = 0; time < deadRounds; time++) await worker.drive();
    growths.push((await worker.used()).rssBytes - rssBytes);
  }
  return (growths[0] ?? 0) - (growths[1] ?? 0);
}

function stepRow(what: string, ms: readonly number[]): Row {
  return { what, step_cpu_ms_p50: round(percentile(ms, 0.5), 3), step_cpu_ms_p90: round(percentile(ms, 0.9), 3) };
}

/** Looks something up, again and again, until as many steps are done; each time something new, or it would go in circles. */
function play({ body }: { readonly body: { readonly messages: readonly { readonly role: string }[] } }, index: number) {
  const asked = body.messages.filter(({ role }) => role === 'assistant').length;
  const call = JSON.stringify({ name: 'look', arguments: { what: `part ${asked} of ${index}` } });
  const text = asked < steps / 2 - 1 ? `<tool_call>\n${call}\n</tool_call>` : '<answer>Because.</answer>';
  return { text: `<think>${prose(replyCharacters, index)}</think>\n${text}`, eventCharacters: 4 };
}

/** A worker process, and the rest of its fleet in this one. */
class Worker {
  readonly #stage: Stage;
  readonly #child: ChildProcess;

  private constructor(stage: Stage, child: ChildProcess) {
    this.#stage = stage;
    this.#child = child;
  }

  static async start(
    stage: Stage,
    { baseUrl: modelUrl }: ModelServer,
    telemetry: Pick<TelemetryOrder, 'otlpUrl' | 'measured'>,
  ): Promise<Worker> {
    const { databaseUrl, redisUrl } = stage;
    const order: TelemetryOrder = { databaseUrl, redisUrl, modelUrl, ...telemetry, concurrency: runs };
    const path = fileURLToPath(new URL('./telemetry-worker.ts', import.meta.url));
    const child = fork(path, [JSON.stringify(order)], { execArgv: process.execArgv, stdio: ['ignore', 2, 2, 'ipc'] });
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`A worker process ended with ${code} before it was ready.`);
    });
    failed.catch(() => undefined);
    await Promise.race([once(child, 'message'), failed]);
    return new Worker(stage, child);
  }

  async used(): Promise<Used> {
    const said = once(this.#child, 'message') as Promise<[Used]>;
    this.#child.send('used');
    const [used] = await said;
    return used;
  }

  /** Has a round of runs done. */
  async drive(): Promise<void> {
    const fleet = await openFleet(this.#stage);
    await acceptMany({ runs: tracedRuns(fleet.runs) }, runs, { steps, stepMs: 0 });
    const dispatcher = new Dispatcher(fleet.runs, { workerId: 'bench', everyMs: 200 }, { log: () => undefined });
    dispatcher.start();
    try {
      const deadline = performance.now() + limitMs;
      while (await this.#isAtWork()) {
        if (performance.now() > deadline) throw new Error(`The runs have not ended after ${limitMs} ms.`);
        await pause(50);
      }
    } finally {
      await dispatcher.stop();
      await fleet.close();
    }
  }

  async end(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }

  async #isAtWork(): Promise<boolean> {
    const sql = `SELECT FROM argosy.runs WHERE state NOT IN ('completed', 'incomplete') LIMIT 1`;
    const { rows } = await this.#stage.client.query(sql);
    return rows.length > 0;
  }
}

async function listen(receiver: Receiver): Promise<{ readonly url: string; close(): void }> {
  const server: Server = createServer((request, response) => {
    request.resume();
    if (receiver === 'takes all') request.once('end', () => response.writeHead(200).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  if (receiver === 'is not there') close();
  return { url, close };
}

/** Runs whose requests are sampled, as a gateway samples all of them unless told otherwise: then their steps are, too. */
function tracedRuns(runs: Runs): Runs {
  const accept: Runs['accept'] = async (run) =>
    await runs.accept({ ...run, traceparent: newTraceparent().replace(/00$/, '01') });
  return withMethods(runs, { accept });
}
