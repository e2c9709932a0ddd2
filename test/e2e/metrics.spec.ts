/** The health port of each role, asked as Prometheus would. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Role, RoleProcess } from '../chaos/role-process.ts';
import { emptyWorkplace, eventually } from '../support/argosy.ts';
import { namingFaults, parsePrometheus, reading } from '../support/prometheus.ts';
import { canOwnServers, ownPostgres, ownRedis, type PrivateServer } from '../support/servers.ts';

/** What stands in the metrics of a role from the start. */
const expected: Readonly<Record<Role, readonly string[]>> = {
  gateway: ['argosy_gateway_event_streams'],
  dispatcher: ['argosy_dispatcher_leader', 'argosy_runs', 'argosy_runs_oldest_wait_seconds', 'argosy_put_back_total'],
  'agent-worker': ['argosy_runs_in_flight', 'argosy_steps_committed_total', 'argosy_commits_refused_total'],
  'tool-worker': ['argosy_tool_calls_in_flight', 'argosy_leases_lost_total'],
  egress: ['argosy_egress_exchanges_total', 'argosy_egress_bytes_total'],
};
const always = [
  'argosy_build_info',
  'argosy_process_uptime_seconds',
  'argosy_event_loop_delay_p99_seconds',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
];
const ofStores = 'argosy_database_failures_total';
const roles = Object.keys(expected) as Role[]; // the keys that its type names

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('the metrics of a role (needs servers that may be killed)', () => {
  const folder = emptyWorkplace();
  const servers: PrivateServer[] = [];
  const processes = new Map<Role, RoleProcess>();

  beforeAll(async () => {
    const [postgres, redis] = await Promise.all([ownPostgres(), ownRedis()]);
    servers.push(postgres, redis);
    const env = { ARGOSY_PORT: '0', ARGOSY_LOG_LEVEL: 'info' };
    for (const role of roles) {
      const launch = { role, name: role, databaseUrl: postgres.url, redisUrl: redis.url, env, folder };
      const process = await RoleProcess.start(launch);
      processes.set(role, process);
      await process.ready();
    }
  }, 120_000);
  afterAll(async () => {
    for (const process of processes.values()) await process.end();
    for (const server of servers) await server.stop();
  }, 60_000);

  it.each(roles)('are what Prometheus reads: %s', async (role) => {
    const port = await processes.get(role)?.ready();
    const wanted = [...always, ...expected[role], ...(role === 'egress' ? [] : [ofStores])];
    // A dispatcher knows the fleet only after its first look.
    const families = await eventually(
      async () => {
        const response = await fetch(`http://127.0.0.1:${port}/metrics`);
        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
        const seen = parsePrometheus(await response.text());
        return wanted.every((name) => seen.has(name)) ? seen : null;
      },
      `${wanted.join(', ')} of the ${role}`,
    );
    expect(namingFaults(families.values())).toEqual([]);
    expect(reading(families, 'argosy_build_info', { role })).toBe(1);
  });
});
