/**
 * `npm run demo:moe [-- --replicas N --tokens N]`: a tiny model whose experts are on four shards, each a process; one of
 * them is killed in the middle of a reply, and the reply is the same.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tinyShape, writeRandomCheckpoint } from '#moe';
import { replyTo, ShardWatch } from '../demo/group-client.mjs';
import { InferenceProcess } from '../demo/inference-process.mjs';
import { Fault, say } from '../setup/fault.mjs';

const shardCount = 4;
const victim = 2;
const question = 'Which ship was first?';
/** Random numbers that make a model; any will do. */
const seed = 7;

/** @returns {{ replicas: number, tokens: number }} @throws {Fault} */
function readOptions() {
  const options = { replicas: { type: 'string', default: '1' }, tokens: { type: 'string', default: '48' } };
  const { values } = parseArgs({ options, strict: false });
  const whole = (name, least, most) => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new Fault(`--${name} ${values[name]} is no whole number from ${least} to ${most}`, 2);
  };
  return { replicas: whole('replicas', 1, shardCount), tokens: whole('tokens', 4, 512) };
}

/** Shards and coordinator, each on a socket in `folder`. */
async function startGroup(folder, replicas, started) {
  const checkpoint = join(folder, 'model');
  await writeRandomCheckpoint(checkpoint, tinyShape, seed);
  const address = (name) => `unix:${join(folder, name)}`;
  const start = async (name, options, settings) => {
    const listen = ['--checkpoint', checkpoint, '--listen', address(name)];
    const child = await InferenceProcess.start(name, [...options, ...listen], {
      ARGOSY_INFERENCE_THREADS: '1',
      ...settings,
    });
    started.push(child);
    return child;
  };
  const names = Array.from({ length: shardCount }, (_, shard) => `shard-${shard}`);
  const shards = await Promise.all(names.map((name) => start(name, ['--role', 'shard'])));
  await start('coordinator', ['--role', 'coordinator', '--shards', names.map(address).join(',')], {
    ARGOSY_INFERENCE_REPLICAS: String(replicas),
    // The bits of the text then do not depend on which shard runs what.
    ARGOSY_INFERENCE_COMBINE: 'deterministic',
    ARGOSY_INFERENCE_WIRE: 'f32',
  });
  return { shards, names, addresses: names.map(address), coordinator: address('coordinator') };
}

/** One row for each shard, one column for each expert: tokens that it ran, over all layers. */
function tableOf(names, watches, before) {
  const experts = Array.from({ length: tinyShape.experts }, (_, expert) => expert);
  const width = 5;
  const cells = (row) => experts.map((expert) => String(row[expert] || '.').padStart(width)).join('');
  const rows = names.map((name, shard) => {
    const tokens = experts.map((expert) => (watches[shard].tokens[expert] ?? 0) - (before[shard][expert] ?? 0));
    return `  ${name.padEnd(10)}${cells(tokens)}`;
  });
  return [`  ${'expert'.padEnd(10)}${experts.map((expert) => String(expert).padStart(width)).join('')}`, ...rows].join(
    '\n',
  );
}

async function main(folder, started) {
  const { replicas, tokens } = readOptions();
  say(
    `a random model of ${tinyShape.experts} experts in each of ${tinyShape.layers} layers, ${shardCount} shards, ${replicas} copies of each expert`,
  );
  const { shards, names, addresses, coordinator } = await startGroup(folder, replicas, started);
  const watches = addresses.map((address) => new ShardWatch(address));
  const nothing = names.map(() => []);
  try {
    const whole = await replyTo(coordinator, { question, tokens, onToken: async () => undefined });
    await Promise.all(watches.map((watch) => watch.settled()));
    process.stdout.write(`\nwith all shards:\n  ${JSON.stringify(whole)}\n`);
    process.stdout.write(`tokens that each shard ran, by expert:\n${tableOf(names, watches, nothing)}\n`);
    const before = watches.map((watch) => [...watch.tokens]);
    let killedAt = 0;
    const killOnce = async (count) => {
      if (killedAt > 0 || count < tokens / 3) return;
      killedAt = count;
      await shards[victim].kill();
    };
    const broken = await replyTo(coordinator, { question, tokens, onToken: killOnce });
    await Promise.all(watches.map((watch, shard) => (shard === victim ? undefined : watch.settled())));
    process.stdout.write(`\nwith ${names[victim]} killed after ${killedAt} tokens:\n  ${JSON.stringify(broken)}\n`);
    process.stdout.write(`tokens that each shard ran, by expert:\n${tableOf(names, watches, before)}\n\n`);
    if (killedAt === 0) throw new Fault('the reply ended before a shard could be killed: ask for more --tokens.');
    if (broken !== whole) throw new Fault('the two texts differ: the group has lost something with the shard.');
    say('both texts are the same.');
  } finally {
    for (const watch of watches) watch.close();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'argosy-demo-'));
const started = [];
try {
  await main(folder, started);
} catch (error) {
  say(error instanceof Fault ? error.message : error.stack);
  process.exitCode = error.exitCode ?? 1;
} finally {
  await Promise.all(started.map((child) => child.kill()));
  await rm(folder, { recursive: true, force: true });
}
