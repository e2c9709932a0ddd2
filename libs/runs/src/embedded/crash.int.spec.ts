import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rounds, type Saying } from '../../../../test/support/crashing-worker.ts';
import { placeEmptyCluster, temporaryFolder } from '../../../../test/support/embedded.ts';
import { PgliteDatabase } from './pglite-database.ts';

const root = join(import.meta.dirname, '../../../..');
const script = join(root, 'test/support/crashing-worker.ts');
const folder = temporaryFolder();
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Starts the process and kills it when it has said so many things. @returns what it said, to the end */
async function live(sayings: number): Promise<Saying[]> {
  const child = spawn(process.execPath, ['--conditions=source', '--no-warnings', script, folder], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const said: Saying[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line as Saying);
    if (said.length === sayings) child.kill('SIGKILL');
  }
  const [code] = await exit;
  if (sayings === Number.POSITIVE_INFINITY) expect(code).toBe(0);
  return said;
}

describe('a run whose process is killed again and again', () => {
  // A round is two calls begun, two known and two steps: six sayings.
  const seed = Date.now() % 1_000_000;
  const [kills = []] = fc.sample(fc.array(fc.integer({ min: 1, max: 14 }), { minLength: 2, maxLength: 2 }), {
    seed,
    numRuns: 1,
  });
  const said: Saying[] = [];
  let database: PgliteDatabase;

  beforeAll(async () => {
    placeEmptyCluster(folder);
    for (const sayings of [...kills, Number.POSITIVE_INFINITY]) said.push(...(await live(sayings)));
    database = await PgliteDatabase.open(join(folder, 'postgres'));
  }, 60_000);
  afterAll(async () => {
    await database.close();
  });

  const rowsOf = async (sql: string): Promise<readonly Record<string, unknown>[]> =>
    (await database.query<Record<string, unknown>>(sql)).rows;
  const named = (what: string) => `${what} (killed after ${kills.join(', ')} sayings)`;

  it(named('comes to its end once'), async () => {
    expect(said.at(-1)).toBe('ended');
    const ends = await rowsOf(`SELECT type FROM argosy.events WHERE type LIKE 'run.%' ORDER BY seq`);
    expect(ends).toEqual([{ type: 'run.accepted' }, { type: 'run.started' }, { type: 'run.completed' }]);
  });

  it(named('has a log without gap or repeat, of epochs that only grow'), async () => {
    const steps = await rowsOf(`SELECT step_no, epoch, payload ->> 'kind' AS kind FROM argosy.steps ORDER BY step_no`);
    expect(steps.map((step) => step['step_no'])).toEqual(upTo(2 * rounds + 2));
    expect(steps.map((step) => step['kind'])).toEqual([
      ...upTo(2 * rounds + 1).map((n) => (n % 2 === 1 ? 'model-replied' : 'tools-returned')),
      'answer-checked',
    ]);
    const epochs = steps.map((step) => Number(step['epoch']));
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
    const events = await rowsOf('SELECT seq::int AS seq FROM argosy.events ORDER BY seq');
    expect(events.map((event) => event['seq'])).toEqual(upTo(events.length));
  });

  it(named('performed no call again whose result was known'), async () => {
    for (const [place, saying] of said.entries()) {
      const [word, call] = saying.split(' ');
      if (word === 'known') expect(said.slice(place)).not.toContain(`begin ${call}`);
    }
    const calls = await rowsOf(`SELECT args ->> 'goal' AS goal, state FROM argosy.tool_calls ORDER BY goal`);
    const goals = upTo(rounds).flatMap((n) => [`${n - 1}a`, `${n - 1}b`]);
    expect(calls).toEqual(goals.map((goal) => ({ goal, state: 'done' })));
  });

  it(named('was charged for what it committed, once'), async () => {
    const [usage] = await rowsOf('SELECT model_calls, tool_calls, prompt_tokens::int AS prompt FROM argosy.runs');
    expect(usage).toEqual({ model_calls: rounds + 1, tool_calls: 2 * rounds, prompt: 10 * (rounds + 1) });
  });
});
