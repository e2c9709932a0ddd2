/** From the request to what a shard did for it: a fleet, its coordinator and two shards, each a process, and a receiver. */
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { argosy, emptyWorkplace, endLeftovers, eventually, launch, type Running } from '../support/argosy.ts';
import { describeFleet, startFleet } from '../support/local-fleet.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts';

const cwd = emptyWorkplace();
endLeftovers();

const root = join(import.meta.dirname, '..', '..');
const tiny = join(root, 'test', 'golden', 'tiny-researcher');
const program = join(root, 'dist', 'apps', 'inference', 'src', 'main.js');
const question = 'When was the lighthouse of Orn Skerry lit for the first time?';

describeFleet('the traces of a research run', () => {
  let receiver: OtlpReceiver | undefined;
  afterAll(async () => {
    await receiver?.close();
  });

  function inference(env: Readonly<Record<string, string>>, ...args: readonly string[]): Running {
    const options = ['--checkpoint', join(tiny, 'model'), '--listen', '127.0.0.1:0', ...args];
    return launch(options, { cwd, script: program, env: { ARGOSY_INFERENCE_THREADS: '1', ...env } });
  }

  const addressOf = async (process: Running) =>
    `127.0.0.1:${/"port":(\d+)/.exec(await process.said(/"event":"(shard listens|listening)".*"port":\d+/))?.[1]}`;

  it('are connected, by parents and links, from the request to the forward of each shard', async () => {
    receiver = await startOtlpReceiver();
    const { spans, url } = receiver;
    const env = { ARGOSY_OTLP_URL: url, ARGOSY_OTLP_METRICS_MS: '0' };
    const shards = [inference(env, '--role', 'shard'), inference(env, '--role', 'shard')];
    const addresses = await Promise.all(shards.map(addressOf));
    // The bits of one machine, which the model was overfitted with.
    const exact = { ARGOSY_INFERENCE_COMBINE: 'deterministic', ARGOSY_INFERENCE_WIRE: 'f32' };
    const coordinator = inference({ ...env, ...exact }, '--role', 'coordinator', '--shards', addresses.join(','));
    const model = `grpc:${await addressOf(coordinator)}`;
    const fleet = await startFleet({
      cwd,
      args: ['--agents', '1', '--tools', '1'],
      env: { ...env, ARGOSY_MODEL: model },
    });
    const { exitCode, stderr } = await argosy(['research', question, '--corpus', join(tiny, 'corpus')], { cwd });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });

    const chains = await eventually(async () => {
      const forwards = spans.filter(({ name }) => name === 'forward');
      const found = new Map(forwards.map((one) => [one.resource['service.instance.id'], chainTo(one, spans)]));
      return found.size === 2 && [...found.values()].every((chain) => chain.at(0) === 'POST /v1/research')
        ? found
        : null;
    }, 'spans from the request to both shards');
    const chat = `chat ${model.slice('grpc:'.length)}`;
    const way = ['step', chat, 'ask model', 'generate', 'schedule step', 'ask shard', 'forward'];
    for (const chain of chains.values()) expect(chain).toEqual(['POST /v1/research', ...way]);
    const besides = ['wait runs', 'wait calls-search', 'wait place', 'commit', 'execute_tool search'];
    await eventually(
      async () => {
        const names = new Set(spans.map(({ name }) => name));
        return besides.every((name) => names.has(name)) ? names : null;
      },
      `spans named ${besides.join(', ')}`,
    );
    const processes = new Set(spans.map(({ resource }) => resource['service.name']));
    expect([...processes].sort()).toEqual(['agent-worker', 'gateway', 'inference', 'tool-worker']);
    expect(Buffer.concat([...receiver.bytes]).toString('latin1')).not.toMatch(/lighthouse|Orn Skerry|3 May 1887/);
    // The gateway asks the coordinator itself, with what it was told of the model.
    const groups = await argosy(['inference', 'groups'], { cwd });
    expect(groups.stdout).toMatch(
      /^127\.0\.0\.1:\d+ {2}model \(argosy-ep .*, 2 shards\), .* cached \d+ %, experts \d+ % even$/m,
    );
    fleet.kill('SIGINT');
    expect((await fleet.finished).exitCode).toBe(0);
  }, 180_000);
});

/** Names of the spans that led to this one: by its parent, else by the first of its links. */
function chainTo(span: ReceivedSpan, spans: readonly ReceivedSpan[]): string[] {
  const above = { traceId: span.traceId, spanId: span.parentId };
  const before = span.parentId === '' ? span.links[0] : above;
  const next = spans.find(({ traceId, spanId }) => traceId === before?.traceId && spanId === before?.spanId);
  return next === undefined ? [span.name] : [...chainTo(next, spans), span.name];
}
