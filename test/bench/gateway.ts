import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openFleet } from '#runs';
import { type Stage, Stages } from './fleet-stage.ts';
import { atRate, Follower, saturate, tenantId } from './gateway-load.ts';
import type { Question, ServerOrder } from './gateway-server.ts';
import { type Benchmark, percentile, type Row, round } from './result.ts';

const rounds = 3;
const roundMs = 4_000;
const idleClients = 2_000;
/** Longer than the time between two heartbeats. */
const idleMs = 20_000;
const followers = 200;
const eventsPerSecond = 50;
const followMs = 10_000;

/** How many requests become runs, how soon, and what it costs to tell clients of events, each beside a bare server. */
export const gateway: Benchmark = async (say) => {
  const stages = await Stages.open();
  try {
    return await stages.use(async (stage) => {
      const [argosy, bare] = [await Server.start('argosy', stage), await Server.start('bare', stage)];
      try {
        say('accept');
        const accepted = await acceptRows(argosy, bare, say);
        say('idle clients');
        const idle = await idleRow(argosy, accepted.ids);
        return {
          params: { rounds, roundMs, connections: 32, idleClients, followers, eventsPerSecond, fsync: 'on' },
          rows: [...accepted.rows, idle, ...(await busyRows(stages, say))],
          ratios: { 'accepted per second, to a bare Fastify route with the same inserts': accepted.ratio },
        };
      } finally {
        argosy.kill();
        bare.kill();
      }
    });
  } finally {
    await stages.close();
  }
};

class Server {
  readonly #child: ChildProcess;
  readonly urls: readonly string[];

  private constructor(child: ChildProcess, urls: readonly string[]) {
    this.#child = child;
    this.urls = urls;
  }

  static async start(kind: ServerOrder['kind'], { databaseUrl, redisUrl }: Stage): Promise<Server> {
    const order: ServerOrder = { kind, databaseUrl, redisUrl };
    const path = fileURLToPath(new URL('./gateway-server.ts', import.meta.url));
    const execArgv = [...process.execArgv, '--expose-gc'];
    const child = fork(path, [JSON.stringify(order)], { execArgv, stdio: ['ignore', 2, 2, 'ipc'] });
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`The ${kind} server ended with ${code} before it was ready.`);
    });
    const [{ url }] = (await Promise.race([once(child, 'message'), failed])) as [{ url: string }];
    failed.catch(() => undefined);
    return new Server(child, url.split(' '));
  }

  get url(): string {
    return this.urls[0] ?? '';
  }

  ask(question: Question): void {
    this.#child.send(question);
  }

  async weigh(): Promise<number> {
    this.ask('weigh');
    const [{ rss }] = (await once(this.#child, 'message')) as [{ rss: number }];
    return rss;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

async function acceptRows(argosy: Server, bare: Server, say: (line: string) => void) {
  const [ours, theirs]: [number[], number[]] = [[], []];
  const ids: string[] = [];
  await saturate(argosy.url, 1_000);
  await saturate(bare.url, 1_000);
  for (let i = 1; i <= rounds; i++) {
    const accepted = await saturate(argosy.url, roundMs);
    ids.push(...accepted.ids);
    ours.push(accepted.rate);
    theirs.push((await saturate(bare.url, roundMs)).rate);
    say(`  round ${i}: ${Math.round(ours.at(-1) ?? 0)} and ${Math.round(theirs.at(-1) ?? 0)} per second`);
  }
  const [rate, bareRate] = [percentile(ours, 0.5), percentile(theirs, 0.5)];
  const half = await atRate(argosy.url, rate / 2, roundMs);
  const rows: Row[] = [
    { what: 'accept, saturated', server: 'argosy', perSecond: Math.round(rate) },
    { what: 'accept, saturated', server: 'bare', perSecond: Math.round(bareRate) },
    {
      what: 'accept, at half of that',
      server: 'argosy',
      perSecond: Math.round(rate / 2),
      p50Ms: round(percentile(half, 0.5), 1),
      p99Ms: round(percentile(half, 0.99), 1),
    },
  ];
  return { rows, ratio: round(rate / bareRate), ids };
}

/** Clients of quiet runs, each of another one as far as there are so many. */
async function idleRow(argosy: Server, ids: readonly string[]): Promise<Row> {
  const urls = Array.from({ length: idleClients }, (_, i) => `${argosy.url}/v1/research/${ids[i % ids.length]}/events`);
  const before = await argosy.weigh();
  const clients = await Follower.openAll(urls);
  const beats = clients.map(() => 0);
  for (const [index, client] of clients.entries()) {
    client.onText = (text) => {
      if (text.includes(': still here')) beats[index] = (beats[index] ?? 0) + 1;
    };
  }
  await pause(idleMs);
  const after = await argosy.weigh();
  for (const client of clients) client.close();
  return {
    what: 'quiet event streams',
    clients: clients.length,
    runs: new Set(urls).size,
    rssKiBPerClient: round((after - before) / 1024 / clients.length, 1),
    withoutHeartbeat: beats.filter((count) => count === 0).length,
  };
}

/** Many clients of one run of which an event comes every 20 ms; the time from before its commit until each client has it. */
async function busyRows(stages: Stages, say: (line: string) => void): Promise<Row[]> {
  say('busy clients');
  return await stages.use(async (stage) => {
    const [argosy, bare] = [await Server.start('argosy', stage), await Server.start('bare', stage)];
    try {
      return await tellMany(stage, argosy, bare);
    } finally {
      argosy.kill();
      bare.kill();
    }
  });
}

async function tellMany(stage: Stage, argosy: Server, bare: Server): Promise<Row[]> {
  const { ids } = await saturate(argosy.url, 1, 1);
  const [runId = ''] = ids;
  const fleet = await openFleet(stage);
  const member = await fleet.runs.join({ workerId: 'bench', role: 'agent-worker', slots: 1_000 });
  const done = Promise.withResolvers<void>();
  const claimed = Promise.withResolvers<Parameters<typeof fleet.runs.commit>[0]>();
  const answering = await fleet.runs.answerRuns(member, { concurrency: 1_000 }, async (claim) => {
    if (claim.runId === runId) claimed.resolve(claim);
    await done.promise;
  });
  for (let rung = 1; rung > 0; ) rung = await fleet.runs.dispatch();
  const claim = await within(60_000, claimed.promise, `run ${runId} of tenant ${tenantId} was not claimed`);
  const tell = async (): Promise<void> => {
    const data = { sentAt: performance.timeOrigin + performance.now() };
    await fleet.runs.commit(claim, { events: [{ type: 'step.started', data }] });
  };
  const ours = await lags(`${argosy.url}/v1/research/${runId}/events`, tell);
  const theirs = await lags(bare.urls[1] ?? '', async () => bare.ask('tell'));
  done.resolve();
  await answering.close({ abortAfterMs: 0 });
  await member.end();
  await fleet.close();
  return [row('argosy', ours), row('bare', theirs)];
}

function row(server: string, all: readonly number[]): Row {
  const figures = { p50Ms: round(percentile(all, 0.5), 1), p99Ms: round(percentile(all, 0.99), 1) };
  return { what: 'lag of events', server, clients: followers, eventsPerSecond, told: all.length, ...figures };
}

async function lags(url: string, tell: () => Promise<void>): Promise<number[]> {
  const clients = await Follower.openAll(Array.from({ length: followers }, () => url));
  const all: number[] = [];
  for (const client of clients) {
    client.onText = (text, at) => {
      for (const [, sentAt] of text.matchAll(/"sentAt":([\d.]+)/g)) all.push(at - Number(sentAt));
    };
  }
  const startedAt = performance.now();
  const told: Promise<void>[] = [];
  for (let i = 0; i < (followMs / 1000) * eventsPerSecond; i++) {
    const waitMs = startedAt + (i * 1000) / eventsPerSecond - performance.now();
    if (waitMs > 1) await pause(waitMs);
    told.push(tell());
  }
  await Promise.all(told);
  await pause(1_000);
  for (const client of clients) client.close();
  return all;
}

async function within<T>(limitMs: number, promise: Promise<T>, otherwise: string): Promise<T> {
  const late = pause(limitMs, undefined, { ref: false }).then(() => {
    throw new Error(`After ${limitMs} ms, ${otherwise}.`);
  });
  return await Promise.race([promise, late]);
}
