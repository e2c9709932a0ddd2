import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { tinyShape, writeRandomCheckpoint } from '#moe';
import { inspectCheckpoint } from './inspect.ts';

describe('inspectCheckpoint', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'argosy-inspect-'));
    await writeRandomCheckpoint(folder, { ...tinyShape, files: 2 }, 1);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('tells shapes, sizes and what fits where', async () => {
    const { text, usable } = await inspectCheckpoint(folder, { deviceBytes: 4e9, contextTokens: 4_000 });
    expect(usable).toBe(true);
    for (const line of [
      /layers {6}4 of width 64: 4 with experts$/m,
      /experts {5}16 a layer, 4 a token, of width 32; weights normalised$/m,
      /attention {3}4 heads of 16, 2 of keys and values; rope theta 10000$/m,
      /vocabulary {2}265; tokenizer of 265 tokens$/m,
      /parameters {4}481,\d{3}, of which a token uses 186,\d{3}$/m,
      /stored {8}0\.96 MB in BF16|stored {8}\d{3}\.\d\d KB in BF16/,
      /one expert {4}12\.29 KB; the experts of one layer 196\.61 KB/,
      /a token {7}512 bytes of keys and values/,
      /^ {2}2 {8}tensor {5}481\.\d\d KB/m,
      /^ {2}8 {8}data/m,
      /model\.layers\.\{l\}\.mlp\.experts\.\{e\}\.gate_proj\.weight {2}BF16 {3}\[32, 64\] +64 /,
      /model\.embed_tokens\.weight +BF16 {3}\[265, 64\] +1 +33\.92 KB/,
    ]) {
      expect(text).toMatch(line);
    }
  });

  it('tells of a tokenizer that is missing, and everything else', async () => {
    await rm(join(folder, 'tokenizer.json'));
    const { text, usable } = await inspectCheckpoint(folder, { deviceBytes: 80e9, contextTokens: null });
    expect(usable).toBe(false);
    expect(text).toMatch(/NO USABLE TOKENIZER: .*tokenizer\.json: is not there/);
    expect(text).toMatch(/contexts of 4,096/);
  });

  it('refuses what is no checkpoint', async () => {
    await writeFile(join(folder, 'config.json'), '{}');
    const refused = inspectCheckpoint(folder, { deviceBytes: 80e9, contextTokens: null });
    await expect(refused).rejects.toMatchObject({ code: 'validation_failed' });
  });
});
