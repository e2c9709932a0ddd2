import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** Texts and tables as they were printed. */
function partsOf(stdout: string): { texts: string[]; tables: string[][] } {
  const lines = stdout.split('\n');
  const texts = lines.filter((line) => line.startsWith('  "'));
  const rows = lines.filter((line) => /^ {2}shard-\d /.test(line));
  return { texts, tables: [rows.slice(0, 4), rows.slice(4)] };
}

/** Whether a shard ran each expert. */
const ran = (row = ''): boolean[] =>
  row
    .trim()
    .split(/ +/)
    .slice(1)
    .map((cell) => cell !== '.');

it.each([1, 2])(
  'the demonstration loses a shard and not a letter, with %i copies of each expert',
  async (replicas) => {
    const options = ['--replicas', String(replicas), '--tokens', '96'];
    const script = join(root, 'scripts/run.mjs');
    const { stdout, stderr } = await run(process.execPath, [script, 'demo:moe', ...options], { cwd: root });
    expect(stderr).toContain('both texts are the same');
    const { texts, tables } = partsOf(stdout);
    expect(texts).toHaveLength(2);
    expect(texts[1]).toBe(texts[0]);
    expect(stdout).toMatch(/with shard-2 killed after (3[2-9]|4\d) tokens/);
    const [before = [], after = []] = tables;
    expect([before.length, after.length]).toEqual([4, 4]);
    // What the killed shard had is run by others afterwards: there are tokens enough for each expert.
    const had = ran(before[2]);
    expect(had).toHaveLength(16);
    const others = [0, 1, 3].map((shard) => ran(after[shard]));
    for (const [expert, was] of had.entries()) if (was) expect(others.some((row) => row[expert])).toBe(true);
  },
  240_000,
);
