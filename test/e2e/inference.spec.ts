/** Research with models of our own: an inference process for each, asked by the command line over gRPC. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { reportSchema } from '#contracts';
import { tinyShape, writeRandomCheckpoint } from '#moe';
import { argosy, emptyWorkplace, endLeftovers, launch, type Running, workplace } from '../support/argosy.ts';
import { canRunFleet, startFleet } from '../support/local-fleet.ts';

const cwd = emptyWorkplace();
endLeftovers();

const root = join(import.meta.dirname, '..', '..');
const tiny = join(root, 'test', 'golden', 'tiny-researcher');
const program = join(root, 'dist', 'apps', 'inference', 'src', 'main.js');
const question = 'When was the lighthouse of Orn Skerry lit for the first time?';

interface Group extends Running {
  /** `grpc:HOST:PORT` */
  readonly spec: string;
  /** What it tells of itself under this name, all series of it. */
  metric(name: string): Promise<string[]>;
}

async function groupWith(checkpoint: string): Promise<Group> {
  const args = ['--role', 'coordinator', '--checkpoint', checkpoint, '--listen', '127.0.0.1:0'];
  const running = launch(args, { cwd, script: program });
  const portOf = async (event: RegExp) => /"port":(\d+)/.exec(await running.said(event))?.[1];
  const spec = `grpc:127.0.0.1:${await portOf(/"event":"listening".*"port":\d+/)}`;
  const health = await portOf(/"event":"ready","port":\d+/);
  const metric = async (name: string): Promise<string[]> => {
    const text = await (await fetch(`http://127.0.0.1:${health}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith(`${name}{`));
  };
  return Object.assign(running, { spec, metric });
}

async function research(group: Group, folder: string, options: readonly string[] = []) {
  const place = await workplace(join(cwd, folder));
  const args = ['research', question, '--corpus', join(tiny, 'corpus'), '--model', group.spec, '--json', 'r.json'];
  const { exitCode, stderr } = await argosy([...args, ...options], { cwd: place });
  const report = reportSchema.parse(JSON.parse(readFileSync(join(place, 'r.json'), 'utf8')));
  return { exitCode, stderr, report };
}

describe('a model that was overfitted to one question', () => {
  let group: Group;
  beforeAll(async () => {
    group = await groupWith(join(tiny, 'model'));
  }, 60_000);

  it('searches, answers, and has its claim proven', async () => {
    const { exitCode, report } = await research(group, 'tiny');
    expect({ exitCode, status: report.status, model: report.model }).toEqual({
      exitCode: 0,
      status: 'completed',
      model: group.spec.slice('grpc:'.length),
    });
    expect(report.claims.map(({ verdict }) => verdict)).toEqual(['supported']);
    expect(report.claims[0]?.citations[0]?.quote).toBe('was lit for the first time on 3 May 1887');
    expect(report.usage).toMatchObject({ steps: 2, model_calls: 2, tool_calls: 1 });
    // The second prompt goes on where the first one and its reply ended.
    expect(report.usage.cached_tokens).toBeGreaterThan(report.usage.prompt_tokens / 4);
    const { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion } = report.usage;
    const counted = await group.metric('argosy_inference_tokens_total');
    for (const [kind, value] of Object.entries({ prompt, cached, completion })) {
      expect(counted).toContainEqual(expect.stringMatching(new RegExp(`kind="${kind}".*} ${value}$`)));
    }
  }, 90_000);

  it.each(canRunFleet ? ['a fleet'] : [])(
    'answers the workers of %s, too',
    async () => {
      const fleet = await startFleet({
        cwd,
        args: ['--agents', '1', '--tools', '1'],
        env: { ARGOSY_MODEL: group.spec },
      });
      const args = ['research', question, '--corpus', join(tiny, 'corpus'), '--json', 'fleet.json'];
      const { exitCode, stderr } = await argosy(args, { cwd });
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
      const report = reportSchema.parse(JSON.parse(readFileSync(join(cwd, 'fleet.json'), 'utf8')));
      expect(report).toMatchObject({ status: 'completed', claims: [{ verdict: 'supported' }] });
      fleet.kill('SIGINT');
      expect((await fleet.finished).exitCode).toBe(0);
    },
    180_000,
  );

  it('drains when it is told to stop', async () => {
    group.kill('SIGTERM');
    expect((await group.finished).exitCode).toBe(0);
  }, 30_000);
});

describe('a model of random weights', () => {
  it('talks nonsense, and its run ends as incomplete', async () => {
    const checkpoint = join(cwd, 'random');
    const small = { hidden: 32, layers: 1, heads: 2, kvHeads: 1, experts: 4, topK: 2, contextTokens: 131_072 };
    await writeRandomCheckpoint(checkpoint, { ...tinyShape, ...small }, 5);
    const { exitCode, stderr, report } = await research(await groupWith(checkpoint), 'random', ['--max-steps', '4']);
    expect({ exitCode, status: report.status, stderr }).toEqual({ exitCode: 3, status: 'incomplete', stderr });
    expect(report.incomplete_details?.reason).toMatch(/^(max_steps|no_progress)$/);
    expect(report.usage.completion_tokens).toBeGreaterThan(0);
  }, 120_000);
});
