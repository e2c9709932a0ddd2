/** Research with models of our own: an inference process for each, asked by the command line over gRPC. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { reportSchema } from '#contracts';
import { tinyShape, writeRandomCheckpoint } from '#moe';
import { argosy, emptyWorkplace, endLeftovers, launch, type Running, workplace } from '../support/argosy.ts';
import { writeFerryCorpus } from '../support/ferry-corpus.ts';

const cwd = emptyWorkplace();
const corpus = writeFerryCorpus(cwd);
endLeftovers();

const root = join(import.meta.dirname, '..', '..');
const program = join(root, 'dist', 'apps', 'inference', 'src', 'main.js');
const question = 'How often does the ferry leave Halloway?';

interface Group extends Running {
  /** `grpc:HOST:PORT` */
  readonly spec: string;
}

async function groupWith(checkpoint: string): Promise<Group> {
  const args = ['--role', 'coordinator', '--checkpoint', checkpoint, '--listen', '127.0.0.1:0'];
  const running = launch(args, { cwd, script: program });
  const said = await running.said(/"event":"listening".*"port":\d+/);
  await running.said(/"event":"ready"/);
  return Object.assign(running, { spec: `grpc:127.0.0.1:${/"port":(\d+)/.exec(said)?.[1]}` });
}

async function research(group: Group, folder: string, options: readonly string[] = []) {
  const place = await workplace(join(cwd, folder));
  const args = ['research', question, '--corpus', corpus, '--model', group.spec, '--json', 'r.json'];
  const { exitCode, stderr } = await argosy([...args, ...options], { cwd: place });
  const report = reportSchema.parse(JSON.parse(readFileSync(join(place, 'r.json'), 'utf8')));
  return { exitCode, stderr, report };
}

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
