import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import {
  argosy,
  emptyWorkplace,
  endLeftovers,
  eventually,
  launch,
  serve,
  within,
  workplace,
} from '../support/argosy.ts';
import { writeFerryCorpus } from '../support/ferry-corpus.ts';
import { type ModelServer, type ServerTurn, startModelServer } from '../support/model-server.ts';
import { questionOf, specOf, thinkAndAnswer, thinkAndCall, toolResponsesIn } from '../support/scripted-research.ts';

const base = emptyWorkplace();
const corpus = writeFerryCorpus(base);
endLeftovers();

const question = 'How often does the ferry leave Halloway?';
const searching = thinkAndCall('search', { query: ['ferry leaves Halloway'] });
const answering = thinkAndAnswer('Every ninety minutes. <cite source="s1">every ninety minutes</cite>');
const hanging: ServerTurn = { fault: { kind: 'hang' } };

const models: ModelServer[] = [];
afterAll(async () => {
  await Promise.all(models.map((model) => model.close()));
});

/** Searches at a run's first request and hangs at the second, until told to answer: a run held in its middle. */
async function holdingModel(): Promise<ModelServer & { release(): void }> {
  let held = true;
  const model = await startModelServer((request) => {
    if (toolResponsesIn(request).length === 0) return searching;
    return held ? hanging : answering;
  });
  models.push(model);
  const release = (): void => {
    held = false;
  };
  return { ...model, release };
}

interface Event {
  readonly id: number;
  readonly type: string;
}

/** All events of a run that has ended. */
async function eventsOf(url: string, runId: string): Promise<Event[]> {
  const text = await (await fetch(`${url}/v1/research/${runId}/events`)).text();
  return [...text.matchAll(/^id: (\d+)\nevent: (\S+)$/gm)].map(([, id = '', type = '']) => ({ id: Number(id), type }));
}

interface Run {
  readonly id: string;
  readonly status: string;
  readonly question: string;
  readonly ended_at: string | null;
  readonly report: null | { usage: { tool_calls: number; steps: number }; claims: { verdict: string }[] };
}

async function runsOf(url: string): Promise<Run[]> {
  return ((await (await fetch(`${url}/v1/research`)).json()) as { data: Run[] }).data;
}

async function endOf(url: string, runId: string): Promise<Run> {
  return await eventually(async () => {
    const run = (await (await fetch(`${url}/v1/research/${runId}`)).json()) as Run;
    return run.ended_at === null ? null : run;
  }, `the end of run ${runId}`);
}

describe('a reader that has seen enough', () => {
  it('neither stops nor holds up the research: the report is written all the same', async () => {
    const cwd = await workplace(join(base, 'unread'));
    const out = join(cwd, 'reports');
    const running = launch(['research', 'How often does the ferry leave?', '--corpus', corpus, '--out', out], { cwd });
    await running.said(/starting/);
    running.deafen();
    expect((await running.finished).exitCode).toBe(0);
    const [run = ''] = readdirSync(out);
    expect(existsSync(join(out, run, 'report.md'))).toBe(true);
  });
});

describe('Ctrl-C', () => {
  it('in the middle cancels the run, reports what it had found, and harms nothing that follows', async () => {
    const cwd = await workplace(join(base, 'interrupted'));
    const model = await holdingModel();
    const start = ['start', question, '--corpus', corpus, '--model', specOf(model)];
    const run = launch([...start, '--json', 'r.json'], { cwd });
    await within(model.arrived(2), () => 'no second request');
    run.kill('SIGINT');
    expect(await run.finished).toMatchObject({ exitCode: 130, stdout: expect.stringContaining('**cancelled**') });
    const report = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')) as { status: string; run_id: string };
    expect(report.status).toBe('cancelled');
    const verified = await argosy(['verify', join('argosy-reports', report.run_id)], { cwd });
    expect(verified).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^sound/) });
    expect(existsSync(join(cwd, '.argosy', 'server.json'))).toBe(false);
    model.release();
    expect(await argosy(start, { cwd })).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('ninety minutes'),
    });
    // Nothing of the cancelled run was taken up again.
    expect(model.requests).toHaveLength(4);
  }, 90_000);

  it('again, more than half a second later, ends at once when the server does not react', async () => {
    const cwd = await workplace(join(base, 'twice'));
    const model = await holdingModel();
    const server = await serve({ cwd }, ['--model', specOf(model)]);
    const run = launch(['start', question, '--corpus', corpus], { cwd });
    await within(model.arrived(2), () => 'no second request');
    server.kill('SIGSTOP');
    // The same key press may arrive twice, from the terminal and from npm: that is one interrupt.
    run.kill('SIGINT');
    run.kill('SIGINT');
    await sleep(600);
    expect(run.ended).toBe(false);
    const askedAt = performance.now();
    run.kill('SIGINT');
    expect(await run.finished).toMatchObject({ exitCode: 130 });
    // Without the second interrupt it would have waited ten seconds for the server.
    expect(performance.now() - askedAt).toBeLessThan(8_000);
    server.kill('SIGCONT');
    server.kill('SIGTERM');
    const stopped = await server.finished;
    expect(stopped).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('stopping') });
    expect(stopped.stderr).not.toMatch(/"level":"error"/);
    expect(existsSync(join(cwd, '.argosy', 'server.json'))).toBe(false);
  }, 90_000);
});

describe('SIGKILL', () => {
  it('in the middle of a run: the next serve goes on from the last step and repeats no finished tool call', async () => {
    const cwd = await workplace(join(base, 'killed'));
    const model = await holdingModel();
    const run = launch(['start', question, '--corpus', corpus, '--model', specOf(model)], { cwd });
    await within(model.arrived(2), () => 'no second request');
    run.kill('SIGKILL');
    expect(await run.finished).toMatchObject({ exitCode: 137 });
    model.release();
    const server = await serve({ cwd }, ['--model', specOf(model)]);
    const [{ id = '' } = {}] = await runsOf(server.url);
    const ended = await endOf(server.url, id);
    expect(ended).toMatchObject({ status: 'completed', report: { usage: { steps: 2, tool_calls: 1 } } });
    expect(ended.report?.claims).toMatchObject([{ verdict: 'supported' }]);
    expect(model.requests).toHaveLength(3);
    expect(model.requests[2]?.body.messages).toEqual(model.requests[1]?.body.messages);
    const events = await eventsOf(server.url, id);
    expect(events.map((event) => event.id)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ type }) => type === 'tool.started')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'run.started')).toHaveLength(1);
    expect(events.at(-1)?.type).toBe('run.completed');
    server.kill('SIGTERM');
    expect(await server.finished).toMatchObject({ exitCode: 0 });
  }, 90_000);

  it('of the server that was joined: the second process takes over and finishes its run', async () => {
    const cwd = await workplace(join(base, 'taken-over'));
    const model = await holdingModel();
    const start = (asked: string) => ['start', asked, '--corpus', corpus, '--model', specOf(model)];
    const first = launch(start(question), { cwd });
    await within(model.arrived(2), () => 'no second request');
    const second = launch(start('And on Sundays, when does the first boat leave?'), { cwd });
    await within(model.arrived(4), () => 'no fourth request');
    first.kill('SIGKILL');
    model.release();
    const { exitCode, stdout, stderr } = await second.finished;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('going on here') });
    expect(stdout).toContain('# And on Sundays');
    const mine = model.requests.filter((request) => questionOf(request).includes('Sundays'));
    expect(mine.map((request) => toolResponsesIn(request).length)).toEqual([0, 1, 1]);
  }, 90_000);
});

describe('two starts at once on one data directory', () => {
  it('both succeed: one serves, the other joins it', async () => {
    const cwd = join(base, 'at-once');
    mkdirSync(cwd);
    const start = (asked: string, out: string) => launch(['start', asked, '--corpus', corpus, '--json', out], { cwd });
    const both = [start(question, 'a.json'), start('What does a single crossing cost?', 'b.json')];
    for (const { finished } of both) {
      const { exitCode, stderr } = await finished;
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    }
    const list = await argosy(['runs', 'list'], { cwd });
    expect(list.stdout.match(/^run_\S+ {2}completed/gm)).toHaveLength(2);
  }, 120_000);
});

const canMount = process.getuid?.() === 0 && trialMount();
const whereMountable = canMount ? it : it.skip;

function trialMount(): boolean {
  const folder = join(base, 'trial');
  mkdirSync(folder);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  return mounted && spawnSync('umount', [folder]).status === 0;
}

/** Mounts a file system in memory for one test. */
async function onDisk(name: string, options: string, test: (folder: string) => Promise<void>): Promise<void> {
  const folder = join(base, name);
  mkdirSync(folder);
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).status).toBe(0);
  try {
    await test(folder);
  } finally {
    spawnSync('umount', [folder]);
  }
}

/** Takes all the room that is left. */
function fill(disk: string): void {
  for (const bytes of [1024 * 1024, 4096]) {
    const block = Buffer.alloc(bytes);
    try {
      for (;;) appendFileSync(join(disk, 'filler'), block);
    } catch {
      // Full, for blocks of this size.
    }
  }
}

describe('a disk', () => {
  whereMountable(
    'that is full while the database is made: a message that names the folder and the way out',
    async () => {
      await onDisk('full', 'size=4m', async (disk) => {
        const run = await argosy(['start', question, '--corpus', corpus], {
          cwd: base,
          env: { ARGOSY_DATA_DIR: disk },
        });
        expect(run.exitCode).not.toBe(0);
        expect(run.stderr).toMatch(new RegExp(`^argosy: .*${disk}.*`, 'm'));
        expect(run.stderr).toMatch(/space/);
        expect(run.stderr).toContain('ARGOSY_DATA_DIR');
        expect(run.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
      });
    },
    60_000,
  );

  whereMountable(
    'that is full while documents are read in: exit code 2, the folder and the way out',
    async () => {
      await onDisk('full-index', 'size=60k', async (disk) => {
        const run = await argosy(['start', question, '--corpus', corpus], {
          cwd: base,
          env: { ARGOSY_DATA_DIR: disk },
        });
        expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('ARGOSY_DATA_DIR') });
        expect(run.stderr).toContain(`${disk}: the data directory cannot be written`);
        expect(run.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
      });
    },
    60_000,
  );

  whereMountable(
    'that fills up in the middle of a run: it waits, and goes on when there is room',
    async () => {
      await onDisk('filling', 'size=80m', async (disk) => {
        await workplace(disk);
        // Long enough that the database must grow to keep it.
        const words = Array.from({ length: 20_000 }, (_, i) => `Word ${i}.`).join(' ');
        const long = `${answering.replace('</answer>', '')}\n\n${words}</answer>`;
        const model = await startModelServer((request, index) => {
          if (toolResponsesIn(request).length === 0) return searching;
          if (index === 1) fill(disk);
          return { text: long, eventCharacters: 20_000 };
        });
        models.push(model);
        const run = launch(['start', question, '--corpus', corpus, '--model', specOf(model)], { cwd: disk });
        await run.said(/"run failed in its worker".*No space left/);
        rmSync(join(disk, 'filler'));
        const { exitCode, stderr, stdout } = await run.finished;
        expect({ exitCode, stderr: stderr.slice(-500) }).toMatchObject({ exitCode: 0 });
        expect(stdout).toContain('Every ninety minutes');
        // Not in a hot loop, in which it would have been asked hundreds of times.
        expect(model.requests.length).toBeLessThan(10);
      });
    },
    90_000,
  );

  whereMountable(
    'that is read-only: exit code 2, the folder and the way out',
    async () => {
      await onDisk('read-only', 'size=1m,ro', async (disk) => {
        for (const args of [['start', question, '--corpus', corpus], ['serve']]) {
          const run = await argosy(args, { cwd: base, env: { ARGOSY_DATA_DIR: join(disk, 'data') } });
          expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('ARGOSY_DATA_DIR') });
          expect(run.stderr).toContain(`${disk}/data: the data directory cannot be written`);
        }
      });
    },
    60_000,
  );

  whereMountable(
    'that is full where the report goes: exit code 2, and nothing half is taken for a report',
    async () => {
      const cwd = await workplace(join(base, 'full-reports'));
      await onDisk('reports', 'size=4k,nr_inodes=4', async (disk) => {
        const run = await argosy(['start', question, '--corpus', corpus, '--out', disk], { cwd });
        expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('name another place with --out') });
        const written = readdirSync(disk, { recursive: true, encoding: 'utf8' });
        expect(written.filter((name) => name.endsWith('report.json'))).toEqual([]);
      });
    },
    60_000,
  );
});
