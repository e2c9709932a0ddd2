/** `npm run fleet`: the whole fleet on one machine, until Ctrl-C. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import { Fleet } from '../fleet/fleet.mjs';
import { interrupts } from '../fleet/interrupts.mjs';
import { firstKey, keysFor } from '../fleet/keys.mjs';
import { lineRenderer } from '../fleet/log-lines.mjs';
import { readOptions, usage } from '../fleet/options.mjs';
import { Place } from '../fleet/place.mjs';
import { programsFor } from '../fleet/programs.mjs';
import { startServers } from '../servers/servers.mjs';
import { Fault, say } from '../setup/fault.mjs';

/** The connections of one process to PostgreSQL, at most, and those of people who look at it. */
const connections = { each: 10, others: 50 };

/** What a process may take beyond its grace: more than after which it ends by itself and says why. */
const marginMs = 10_000;

/** @throws {Fault} with exit code 2 when a gateway's port is taken */
async function requireFreePorts({ port, host, counts }) {
  for (let number = port; port > 0 && number < port + counts.gateways; number++) {
    const probe = createServer();
    try {
      await once(probe.listen(number, host), 'listening');
    } catch (error) {
      throw new Fault(`port ${number} on ${host} cannot be used (${error.code}): choose another with --port.`, 2);
    }
    probe.close();
    await once(probe, 'close');
  }
}

function tellAboutData(servers) {
  if (servers.length === 0) return;
  const folders = servers.map(({ name, folder }) => `${name} in ${folder}`).join(', ');
  say(`private servers, whose data go when the fleet ends: ${folders}`);
  say('  (name servers of your own in ARGOSY_REDIS_URL and ARGOSY_DATABASE_URL to keep what it does)');
}

function tellHowToAsk(url, file) {
  const near = path.relative(process.cwd(), file);
  say(`the fleet is ready on ${url}. From another terminal:`);
  say('  npm start -- "your question" --corpus PATH');
  say(`finds it, and its key, through ${near.startsWith('..') ? file : near}; elsewhere set ARGOSY_URL=${url}`);
  say('  and ARGOSY_API_KEY to the key in that file (node_modules/.bin/argosy keys create makes others)');
  say('Ctrl-C drains and ends it; a second one kills it.');
}

function tellTheEnd({ graceMs }) {
  const limit = `at most ${graceMs / 1000} s each`;
  say(
    `stopping: gateways, dispatcher and agent workers first, then tool workers, then egress (${limit}), servers last`,
  );
}

async function serve(options, asked) {
  const { agents, tools, gateways } = options.counts;
  const processes = agents + tools + gateways + 1;
  const servers = await startServers({ connections: connections.each * processes + connections.others });
  tellAboutData(servers.started);
  const keys = keysFor(process.env, options.dataDir);
  const { url, programs } = await programsFor(options, servers, keys);
  const names = programs.map(({ name }) => name);
  const render = lineRenderer(names, process.stderr.isTTY === true && !process.env.NO_COLOR);
  const fleet = new Fleet({
    programs,
    servers: servers.started,
    killAfterMs: options.graceMs + marginMs,
    tell: say,
    onLine: (name, line) => process.stderr.write(`${render(name, line)}\n`),
  });
  try {
    if (!asked.aborted && (await fleet.start(asked))) {
      const { databaseUrl } = servers;
      options.place.announce(url, await firstKey({ databaseUrl, pepper: keys.pepper, dataDir: options.dataDir }));
      tellHowToAsk(url, options.place.file);
      if (!asked.aborted) await once(asked, 'abort');
    }
    tellTheEnd(options);
  } finally {
    options.place.withdraw();
    await fleet.stop();
  }
}

async function main(args) {
  const options = readOptions(args, process.env);
  if (options === undefined) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  // Whoever reads us may go: that is no reason to end without a drain.
  process.stderr.on('error', () => undefined);
  const asked = interrupts(() => {
    say('killed.');
    process.exit(130);
  });
  const place = Place.hold(options.dataDir);
  process.on('exit', () => place.release());
  await requireFreePorts(options);
  await serve({ ...options, place }, asked);
  say('the fleet has ended.');
}

try {
  await main(process.argv.slice(2));
  process.exit(0);
} catch (error) {
  // What is no Fault is a bug of ours.
  say(error instanceof Fault ? error.message : error.stack);
  process.exit(error.exitCode ?? 1);
}
