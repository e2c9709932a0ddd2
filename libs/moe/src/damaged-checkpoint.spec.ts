import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { InvalidInput } from '#errors';
import { Checkpoint } from './checkpoint.ts';
import { tinyShape, writeRandomCheckpoint } from './tiny-checkpoint.ts';

/** Whatever stands in a checkpoint's files, it is opened or refused: nothing else is thrown, and nothing hangs. */
describe('a damaged checkpoint', () => {
  let folder: string;
  let weights: Buffer;
  let config: Record<string, unknown>;
  const file = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'argosy-damaged-'));
    const small = { hidden: 4, layers: 1, heads: 2, kvHeads: 1, headDim: 2, experts: 2, topK: 1, expertWidth: 2 };
    await writeRandomCheckpoint(folder, { ...tinyShape, ...small }, 1);
    weights = await readFile(file('model.safetensors'));
    config = JSON.parse(await readFile(file('config.json'), 'utf8'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Opens it and reads every number. */
  const outcome = async (): Promise<'read' | 'refused'> => {
    try {
      const checkpoint = await Checkpoint.open(folder);
      try {
        for (const { name } of checkpoint.tensors) await checkpoint.tensor(name);
      } finally {
        await checkpoint.close();
      }
      return 'read';
    } catch (error) {
      if (error instanceof InvalidInput && error.message.startsWith(folder)) return 'refused';
      throw error;
    }
  };

  it('is refused wherever it is cut', async () => {
    const check = async (length: number) => {
      await writeFile(file('model.safetensors'), weights.subarray(0, length));
      expect(await outcome()).toBe('refused');
    };
    await fc.assert(fc.asyncProperty(fc.nat({ max: weights.length - 1 }), check));
    await writeFile(file('model.safetensors'), weights);
    expect(await outcome()).toBe('read');
  });

  it('is opened or refused with any bytes of its header changed', async () => {
    const header = 8 + Number(weights.readBigUInt64LE());
    const changes = fc.array(fc.tuple(fc.nat({ max: header - 1 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    const seen = new Set<string>();
    const check = async (bytes: readonly (readonly [number, number])[]) => {
      const changed = Buffer.from(weights);
      for (const [at, byte] of bytes) changed[at] = byte;
      await writeFile(file('model.safetensors'), changed);
      seen.add(await outcome());
    };
    await fc.assert(fc.asyncProperty(changes, check), { numRuns: 300 });
    await writeFile(file('model.safetensors'), weights);
    expect(seen).toContain('refused');
  });

  it('is opened or refused with any value in any field of its configuration', async () => {
    const field = fc.constantFrom(...Object.keys(config));
    const value = fc.oneof(fc.jsonValue(), fc.integer(), fc.constantFrom(1e308, -1, 0, 2 ** 31, 2 ** 53, '', null, []));
    const check = async (name: string, changed: unknown) => {
      await writeFile(file('config.json'), JSON.stringify({ ...config, [name]: changed }));
      await outcome();
    };
    await fc.assert(fc.asyncProperty(field, value, check), { numRuns: 300 });
    await writeFile(file('config.json'), JSON.stringify(config));
    expect(await outcome()).toBe('read');
  });
});
