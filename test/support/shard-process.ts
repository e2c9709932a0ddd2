/** One shard in a process of its own, so that a test can kill it: `shard-process.ts FOLDER LISTEN`. Says when it listens. */
import { writeSync } from 'node:fs';
import { ResidentExperts, ShardServer } from '#inference';
import { Checkpoint, plainBackend } from '#moe';

/** What it says. */
export type ShardSaying = `listening ${number}`;

const [folder = '', listen = ''] = process.argv.slice(2);
const checkpoint = await Checkpoint.open(folder);
const experts = new ResidentExperts(checkpoint, plainBackend(), 2 ** 30);
const shard = await ShardServer.start(experts, listen, { log: () => undefined });
process.on('SIGTERM', () => void shard.stop(5_000).then(() => process.exit(0)));
const saying: ShardSaying = `listening ${shard.port}`;
writeSync(1, `${saying}\n`);
