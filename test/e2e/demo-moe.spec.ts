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

const expertsOf = (row = ''): number => row.split(/\s+/).filter((cell) => /^\d+$/.test(cell)).length;

it.each([1, 2])(
  'the demonstration loses a shard and not a letter, with %i copies of each expert',
  async (replicas) => {
    const options = ['--replicas', String(replicas), '--tokens', '24'];
    const script = join(root, 'scripts/run.mjs');
    const { stdout, stderr } = await run(process.execPath, [script, 'demo:moe', ...options], { cwd: root });
    expect(stderr).toContain('both texts are the same');
    const { texts, tables } = partsOf(stdout);
    expect(texts).toHaveLength(2);
    expect(texts[1]).toBe(texts[0]);
    expect(stdout).toMatch(/with shard-2 killed after (8|9|1\d) tokens/);
    // Each of four shards has a quarter of sixteen experts, for each copy; one of them does some work and dies.
    for (const row of tables[0] ?? []) expect(expertsOf(row)).toBeLessThanOrEqual(4 * replicas + 1);
    expect(tables[1]).toHaveLength(4);
  },
  240_000,
);
