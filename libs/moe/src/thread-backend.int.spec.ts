import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Checkpoint,
  type ComputeBackend,
  localExperts,
  type Model,
  openModel,
  plainBackend,
  threadBackend,
  tinyShape,
  writeRandomCheckpoint,
} from '#moe';
import { PagedText } from '../../../test/support/paged-text.ts';
import { ComputeWorker } from './compute-worker.ts';

/** Little to compute, so that a busy machine is in time. */
const small = {
  ...tinyShape,
  layers: 2,
  hidden: 16,
  heads: 2,
  kvHeads: 1,
  headDim: 8,
  experts: 4,
  topK: 2,
  expertWidth: 8,
};
const signal = new AbortController().signal;

describe('a backend of threads', () => {
  let folder: string;
  let checkpoint: Checkpoint;
  const backends: ComputeBackend[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'argosy-moe-'));
    await writeRandomCheckpoint(folder, small, 3);
    checkpoint = await Checkpoint.open(folder);
  });
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
    await checkpoint.close();
    await rm(folder, { recursive: true });
  });

  const modelOn = async (backend: ComputeBackend): Promise<Model> => {
    backends.push(backend);
    return await openModel(checkpoint, backend, await localExperts(checkpoint, backend));
  };

  it('gives the bits that the plain kernels give on the calling thread', async () => {
    const plain = await modelOn(plainBackend());
    const threaded = await modelOn(threadBackend({ threads: 2 }));
    const texts = Array.from({ length: 5 }, (_, i) =>
      Array.from({ length: 1 + 5 * i }, (_, j) => (i * 31 + j * 7) % 256),
    );
    const both = [plain, threaded].map(async (model) => {
      const batch = texts.map((tokens) => ({ paged: new PagedText(model), tokens }));
      const first = await model.step(
        batch.map(({ paged, tokens }) => paged.part(tokens)),
        signal,
      );
      // What one thread wrote, another reads.
      for (const { paged, tokens } of batch) paged.length = tokens.length === 16 ? 8 : tokens.length;
      const second = await model.step(
        batch.map(({ paged }) => paged.part([9])),
        signal,
      );
      return [...first, ...second];
    });
    const [wanted, given] = await Promise.all(both);
    expect(given).toEqual(wanted);
  });

  it('takes weights that lie in the memory of one thread alone', async () => {
    const backend = threadBackend({ threads: 2 });
    backends.push(backend);
    const eye = (scale: number) => Float32Array.of(scale, 0, 0, scale);
    const expert = await backend.loadExpert({ gate: eye(1000), up: eye(1), down: eye(0.001) });
    expect(expert.bytes).toBe(3 * 4 * 4);
    // silu(1000) is 1000: each number times itself.
    expect(await backend.runExpert(expert, Float32Array.of(1, 2, 3, 4), 2)).toEqual(Float32Array.of(1, 4, 9, 16));
    backend.free(expert);
    await expect(backend.runExpert(expert, new Float32Array(2), 1)).rejects.toThrow(/no expert 1: it was freed/);
  });

  it('fails what is under way when it is closed, and all calls after', async () => {
    const backend = threadBackend({ threads: 1 });
    const model = await modelOn(backend);
    const step = new PagedText(model).append(Array(200).fill(1), signal);
    const failed = expect(step).rejects.toMatchObject({ code: 'unavailable' });
    await backend.close();
    await failed;
    await expect(new PagedText(model).append([1], signal)).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('gives up a task that takes longer than its limit, and tells that it is of no use any more', async () => {
    const deaths: Error[] = [];
    const onDeath = (why: Error) => deaths.push(why);
    const backend = threadBackend({ threads: 1, taskLimitMs: 1, onDeath });
    const model = await modelOn(backend);
    const late = { code: 'unavailable', message: 'A compute thread gave no result within 1 ms.' };
    const step = new PagedText(model).append(Array(2_000).fill(1), signal);
    await expect(step).rejects.toMatchObject(late);
    expect(deaths).toMatchObject([late]);
    await expect(new PagedText(model).append([1], signal)).rejects.toMatchObject(late);
    await backend.close();
    expect(deaths).toHaveLength(1);
  });

  it('does not take its own end for a death', async () => {
    const deaths: Error[] = [];
    await threadBackend({ threads: 2, onDeath: (why) => deaths.push(why) }).close();
    expect(deaths).toEqual([]);
  });

  it('fails the calls of a thread that dies', async () => {
    const dying = `import { parentPort } from 'node:worker_threads'; parentPort.once('message', () => process.exit(1));`;
    const deaths: Error[] = [];
    const entry = new URL(`data:text/javascript,${encodeURIComponent(dying)}`);
    const worker = new ComputeWorker(60_000, entry, (why) => deaths.push(why));
    const task = { kind: 'expert', id: 1, x: new Float32Array(1), rows: 1 } as const;
    const both = await Promise.allSettled([worker.run(task), worker.run(task)]);
    const gone = { status: 'rejected', reason: { code: 'unavailable' } };
    expect(both).toMatchObject([gone, gone]);
    expect(deaths).toMatchObject([{ code: 'unavailable' }]);
    expect(worker.load).toBe(0);
    await expect(worker.run(task)).rejects.toMatchObject({ code: 'unavailable' });
    await worker.close();
  });
});
