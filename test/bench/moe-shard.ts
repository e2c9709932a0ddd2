/** A shard in a process of its own, for the benchmark: `moe-shard.ts SPEC LISTEN`, SPEC `echo`, `transport` or a checkpoint. */
import { writeSync } from 'node:fs';
import { ResidentExperts, ShardServer } from '#inference';
import { Checkpoint, threadBackend } from '#moe';
import { serveEcho } from './moe-control.ts';
import { echoBackend, transportStore } from './moe-transport.ts';

const [spec = '', listen = ''] = process.argv.slice(2);

async function serveShard(): Promise<number> {
  const experts =
    spec === 'transport'
      ? new ResidentExperts(transportStore, echoBackend(), 2 ** 30)
      : new ResidentExperts(await Checkpoint.open(spec), threadBackend({ threads: 1 }), 2 ** 33);
  const { port } = await ShardServer.start(experts, { listen }, { log: () => undefined });
  return port;
}

writeSync(1, `${spec === 'echo' ? await serveEcho(listen) : await serveShard()}\n`);
