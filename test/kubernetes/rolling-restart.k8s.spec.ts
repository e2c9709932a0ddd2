/** An upgrade: every role is replaced, all at the same time, while 50 runs are in flight. */
import { afterAll, describe, expect, it } from '@jest/globals';
import type { Role } from '../chaos/role-process.ts';
import { Scenario, useStage } from '../chaos/scenario.ts';
import type { Stage } from '../chaos/stage.ts';
import { scopeOf } from '../chaos/world.ts';
import { canOwnServers } from '../support/servers.ts';
import { objectsOf, podOf, valuesOf } from './chart.ts';
import { Deployment, type Manners, mannersOf, Service } from './deployment.ts';

const runs = 50;
const replicas = 2;
/** Milliseconds of each of the five parts of a reply: a run takes a minute or two. */
const partMs = 3_000;
const patienceMs = 600_000;

const withServers = canOwnServers ? describe : describe.skip;

/** What the chart says of each role of a production release, by its Deployment. */
function chart(): ReadonlyMap<string, Manners> {
  return new Map(
    objectsOf({ files: [valuesOf('production')] }).flatMap((object) => {
      const shape = object.kind === 'Deployment' ? podOf(object) : null;
      return shape === null ? [] : [[object.metadata.name.replace(/^argosy-/, ''), mannersOf(shape)] as const];
    }),
  );
}

/** Settings that are not of this machine: times, widths, and which calls a pool takes. */
const kept = /^ARGOSY_(GRACE_MS|LEASE_MS|AGENT_CONCURRENCY|TOOL_CONCURRENCY|TOOLS|LOG_LEVEL)$/;

/** The pools whose kinds of calls these runs make; the others would need Chromium and providers of works. */
const pools = ['search', 'visit'];

type Deployments = ReadonlyMap<string, Deployment>;

/** The chart's Deployments beside the stage's own processes, which are told to go as soon as these are there. */
async function deploy(stage: Stage, [gateways, proxies]: readonly [Service, Service]): Promise<Deployments> {
  const deployments = new Map<string, Deployment>();
  const manned = chart();
  const roles: readonly [string, Role, Service | null][] = [
    ['egress', 'egress', proxies],
    ['gateway', 'gateway', gateways],
    ['dispatcher', 'dispatcher', null],
    ['agent-worker', 'agent-worker', null],
    ...pools.map((pool): [string, Role, null] => [`tool-${pool}`, 'tool-worker', null]),
  ];
  for (const [name, role, service] of roles) {
    const manners = manned.get(name);
    if (manners === undefined) throw new Error(`the chart has no ${name}`);
    const own = Object.fromEntries(Object.entries(manners.env).filter(([key]) => kept.test(key)));
    const proxied = role === 'tool-worker' ? { ARGOSY_EGRESS_URL: `http://127.0.0.1:${proxies.port}` } : {};
    const ports = { ARGOSY_PORT: '0', ARGOSY_HEALTH_PORT: '0' };
    const start = async () => await stage.launch(role, { ...own, ...proxied, ...ports });
    const deployment = new Deployment(manners, start, service);
    await deployment.scale(replicas);
    deployments.set(name, deployment);
  }
  return deployments;
}

/** Which calls each living tool worker takes: no worker for all is left beside the pools. */
async function kindsOfWorkers(stage: Stage): Promise<(string[] | null)[]> {
  const living = `SELECT kinds FROM argosy.workers WHERE role = 'tool-worker' AND lease_until > now() AND slots > 0 ORDER BY kinds`;
  return (await stage.rows<{ kinds: string[] | null }>(living)).map(({ kinds }) => kinds);
}

withServers(`a rolling restart${canOwnServers ? '' : ' [needs Redis and PostgreSQL here]'}`, () => {
  const stage = useStage('rolling-restart');
  const services: Service[] = [];
  afterAll(async () => {
    await Promise.all(services.map((service) => service.close()));
  });

  it(
    `loses no step of ${runs} runs, buys none twice, and ends every process in its grace`,
    async () => {
      const first = stage().alive();
      const [gateways, proxies] = [await Service.open(), await Service.open()];
      services.push(gateways, proxies);
      const deployments = await deploy(stage(), [gateways, proxies]);
      for (const process of first) process.kill('SIGTERM');
      await Promise.all(first.map((process) => process.ended));
      stage().world.pace.partMs = partMs;
      const before = stage().alive();
      const load = new Scenario(stage(), scopeOf(20, 0), gateways.port, patienceMs);
      await load.begin(runs);
      await load.reaches(runs / 2);
      expect(await kindsOfWorkers(stage())).toEqual(pools.flatMap((pool) => Array(replicas).fill([pool])));
      expect(await load.unfinished()).toBe(runs);
      await Promise.all([...deployments.values()].map(async (deployment) => await deployment.roll()));
      expect(before.filter((process) => !process.over)).toEqual([]);
      // Some were still on their way when the last of the old ones had gone.
      const moved = await load.unfinished();
      await load.end();
      expect({ moved, killed: [...deployments.values()].map(({ killed }) => killed) }).toEqual({
        moved: expect.any(Number),
        killed: [...deployments.values()].map(() => 0),
      });
      expect(moved).toBeGreaterThan(0);
      const ends = await Promise.all(before.map(async ({ name, ended }) => ({ name, ...(await ended) })));
      expect(ends.filter(({ code }) => code !== 0)).toEqual([]);
      const { asked } = load.observed();
      const replies = asked.map(({ tag, turn }) => `${tag} ${turn}`);
      expect(replies.filter((reply, index) => replies.indexOf(reply) !== index)).toEqual([]);
      const again = `SELECT call_id FROM argosy.tool_calls c JOIN argosy.runs r USING (tenant_id, run_id)
        WHERE r.request ->> 'question' LIKE $1 || '%' AND c.attempt > 1`;
      expect(await stage().rows(again, [load.scope])).toEqual([]);
      expect(await kindsOfWorkers(stage())).toEqual(pools.flatMap((pool) => Array(replicas).fill([pool])));
    },
    patienceMs + 120_000,
  );
});
