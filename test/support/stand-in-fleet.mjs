/**
 * The supervisor of `npm run fleet` over processes that only pretend. Argument: JSON of
 * `{killAfterMs, roles: [{name, does, stage?}]}`, where `does` chooses among the behaviours of stand-in-role.mjs.
 * One private Redis stands for the servers.
 */
import { once } from 'node:events';
import path from 'node:path';
import { Fleet } from '../../scripts/fleet/fleet.mjs';
import { interrupts } from '../../scripts/fleet/interrupts.mjs';
import { lineRenderer } from '../../scripts/fleet/log-lines.mjs';
import { startRedis } from '../../scripts/servers/servers.mjs';
import { say } from '../../scripts/setup/fault.mjs';

const { killAfterMs, roles, redis = false } = JSON.parse(process.argv[2]);
const asked = interrupts(() => process.exit(130));
const servers = redis ? [await startRedis()] : [];
for (const server of servers) say(`${server.name} has process ${server.pid} on ${server.url}`);
const render = lineRenderer(
  roles.map(({ name }) => name),
  false,
);
const fleet = new Fleet({
  programs: roles.map(({ name, does, stage = 1 }) => ({
    name,
    command: process.execPath,
    args: [path.join(import.meta.dirname, 'stand-in-role.mjs'), name, does],
    env: process.env,
    host: '127.0.0.1',
    port: { variable: 'STAND_IN_PORT', number: 0 },
    stage,
  })),
  servers,
  killAfterMs,
  tell: say,
  onLine: (name, line) => process.stderr.write(`${render(name, line)}\n`),
  limits: { firstMs: 100, mostMs: 400, steadyMs: 60_000 },
});
let exitCode = 0;
try {
  if (await fleet.start(asked)) {
    say('ready');
    if (!asked.aborted) await once(asked, 'abort');
  }
} catch (error) {
  say(error.message);
  exitCode = error.exitCode;
}
say('stopping');
await fleet.stop();
say('ended');
process.exit(exitCode);
