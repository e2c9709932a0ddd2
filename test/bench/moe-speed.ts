import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExpertGroup, type GroupSettings, LocalShard, RemoteShard, ResidentExperts, type Shard } from '#inference';
import {
  Checkpoint,
  type ComputeBackend,
  type Experts,
  localExperts,
  openModel,
  plainBackend,
  threadBackend,
  tinyShape,
  writeRandomCheckpoint,
} from '#moe';
import { PagedText } from '../support/paged-text.ts';
import { ShardProcesses } from './moe-processes.ts';
import { type Row, round } from './result.ts';

/** 15 million parameters of which a token uses 5: what plain kernels get through in reasonable time. */
const shape = { ...tinyShape, hidden: 512, layers: 2, heads: 8, headDim: 64, experts: 32, expertWidth: 128 };
const never = new AbortController().signal;
const tokensTimed = 24;

/** Tokens per second, one after another, per backend, beside what the machine's memory would allow. */
export async function speedRows(say: (line: string) => void): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-bench-moe-'));
  try {
    await writeRandomCheckpoint(folder, shape, 1);
    const checkpoint = await Checkpoint.open(folder);
    const limit = rooflineOf(checkpoint);
    const rows: Row[] = [];
    for (const [name, start] of Object.entries(backends(folder, checkpoint))) {
      say(`speed: ${name}`);
      const { backend, experts, stop } = await start();
      const perSecond = await tokensPerSecond(checkpoint, backend, experts);
      rows.push({
        what: 'speed',
        backend: name,
        tokens_per_second: round(perSecond),
        roofline: round(limit),
        share: round(perSecond / limit, 4),
      });
      await stop();
    }
    await checkpoint.close();
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Started {
  readonly backend: ComputeBackend;
  readonly experts: Experts;
  stop(): Promise<void>;
}

function backends(folder: string, checkpoint: Checkpoint): Record<string, () => Promise<Started>> {
  const alone = async (backend: ComputeBackend): Promise<Started> => {
    return { backend, experts: await localExperts(checkpoint, backend), stop: () => backend.close() };
  };
  return {
    plain: () => alone(plainBackend()),
    [`threads (${availableParallelism()})`]: () => alone(threadBackend({ threads: availableParallelism() })),
    'two shards in process': () => {
      const own = () => new ResidentExperts(checkpoint, threadBackend({ threads: 1 }), 2 ** 33);
      return grouped(
        checkpoint,
        [0, 1].map((shard) => new LocalShard(`local-${shard}`, own)),
      );
    },
    'two shards over unix sockets': async () => {
      const processes = await ShardProcesses.start(folder, 2, 'unix');
      const group = await grouped(
        checkpoint,
        processes.addresses.map((address) => new RemoteShard(address)),
      );
      const stop = async () => {
        await group.stop();
        await processes.stop();
      };
      return { ...group, stop };
    },
  };
}

async function grouped(checkpoint: Checkpoint, shards: readonly Shard[]): Promise<Started> {
  const expertBytes = 3 * shape.hidden * shape.expertWidth * 4;
  const backend = threadBackend({ threads: 1 });
  const settings: GroupSettings = {
    mode: 'reduced',
    format: 'bf16',
    limits: { minReplicas: 1, redundant: 0, expertBytes, shardBytes: 2 ** 33 },
    replanSteps: 1_000_000,
    patienceMs: 30_000,
    blockBytes: 2 ** 20,
    arithmetic: backend.arithmetic,
  };
  const experts = await ExpertGroup.start(shards, checkpoint, { settings, logger: { log: () => undefined } });
  const stop = async () => {
    await experts.close();
    await backend.close();
  };
  return { backend, experts, stop };
}

async function tokensPerSecond(checkpoint: Checkpoint, backend: ComputeBackend, experts: Experts): Promise<number> {
  const model = await openModel(checkpoint, backend, experts);
  const text = new PagedText(model);
  await text.append([1, 2, 3, 4], never);
  const startedAt = performance.now();
  for (let token = 0; token < tokensTimed; token++) await text.append([token + 5], never);
  const seconds = (performance.now() - startedAt) / 1000;
  return tokensTimed / seconds;
}

/** Each token reads its weights once, f32, at the speed at which this machine reads memory that is in no cache. */
function rooflineOf({ config }: Checkpoint): number {
  const { hidden, heads, kvHeads, headDim, experts, topK, expertWidth, vocabulary, sparse } = config;
  const attention = hidden * headDim * (2 * heads + 2 * kvHeads);
  const perLayer = attention + hidden * experts + topK * 3 * hidden * expertWidth;
  return readBytesPerSecond() / (4 * (sparse.length * perLayer + hidden * vocabulary));
}

/** By a copy of 256 MiB, the fastest of five: as many bytes are written as are read. */
function readBytesPerSecond(): number {
  const from = Buffer.alloc(2 ** 28, 1);
  const to = Buffer.alloc(2 ** 28);
  let best = 0;
  for (let time = 0; time < 5; time++) {
    const startedAt = performance.now();
    from.copy(to);
    best = Math.max(best, (2 * from.length) / ((performance.now() - startedAt) / 1000));
  }
  return best;
}
