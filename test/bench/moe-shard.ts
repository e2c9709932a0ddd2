/** A shard in a process of its own, for the benchmark: `moe-shard.ts SPEC LISTEN`, SPEC `transport` or a checkpoint. */
import { writeSync } from 'node:fs';
import { ResidentExperts, ShardServer } from '#inference';
import { Checkpoint, threadBackend } from '#moe';
import { echoBackend, transportStore } from './moe-transport.ts';

const [spec = '', listen = ''] = process.argv.slice(2);
const experts =
  spec === 'transport'
    ? new ResidentExperts(transportStore, echoBackend(), 2 ** 30)
    : new ResidentExperts(await Checkpoint.open(spec), threadBackend({ threads: 1 }), 2 ** 33);
const shard = await ShardServer.start(experts, listen, { log: () => undefined });
writeSync(1, `${shard.port}\n`);
