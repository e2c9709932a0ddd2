import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dice, made, recorded } from './traces.ts';

describe('made traces', () => {
  it.each(Object.entries(made))('rise, and are the same for one seed: %s', (_, arrivals) => {
    const times = arrivals(dice(1));
    expect(times.length).toBeGreaterThan(100);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(arrivals(dice(1))).toEqual(times);
    expect(arrivals(dice(2))).not.toEqual(times);
  });
});

describe('a recorded trace', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'argosy-traces-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function read(text: string, jobs = 1_000): Promise<number[]> {
    const file = join(folder, 'trace.csv');
    await writeFile(file, text);
    return (await recorded(file, jobs, 10))(dice(1));
  }

  it('is that of dates with seven digits of a second, stretched to the hours asked for', async () => {
    const lines = ['TIMESTAMP,ContextTokens', '2023-11-16 18:17:03.9799600,4', '2023-11-16 18:17:05.9799600,3'];
    expect(await read([...lines, '2023-11-16 18:17:04.9799600,1', ''].join('\r\n'))).toEqual([
      0, 18_000_000, 36_000_000,
    ]);
  });

  it('is that of seconds, without a line of names', async () => {
    expect(await read('5\n7.5\n10\n')).toEqual([0, 18_000_000, 36_000_000]);
  });

  it('is thinned to about as many jobs as asked for', async () => {
    const text = Array.from({ length: 4_000 }, (_, second) => second).join('\n');
    const { length } = await read(text, 400);
    expect(length).toBeGreaterThan(330);
    expect(length).toBeLessThan(470);
  });

  it.each([
    ['', 'is empty'],
    ['TIMESTAMP,Tokens\n', 'holds no two arrivals at different times'],
    ['{"timestamp": 0}\n{"timestamp": 1}\n', 'line 2 begins with "{"timestamp": 1}", which is no time'],
    ['time\n3\n\nlater,3\n', 'line 4 begins with "later", which is no time'],
    ['3,a\n3,b\n', 'holds no two arrivals at different times'],
  ])('is refused with what is wrong: %j', async (text, message) => {
    await expect(read(text)).rejects.toThrow(`trace.csv: ${message}`);
  });

  it('is refused when there is no such file', async () => {
    await expect(recorded(join(folder, 'none.csv'))).rejects.toThrow('none.csv: cannot be read');
  });
});
