import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { fleetSettings, openFleet } from '#runs';
import { acceptanceOf, requestOf } from '../support/research.ts';
import { kubeconfigOf } from './api-client.ts';
import { deployment, type Scene, target, until } from './scaling-scene.ts';

/** The build under test. */
const dist = process.env['CHAOS_DIST'] ?? join(import.meta.dirname, '..', '..', 'dist');
const program = join(dist, 'apps', 'autoscaler', 'src', 'main.js');

/** Where the fleet's stores are. */
export interface Stores {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

/** An autoscaler as its container starts it. */
interface Process {
  readonly name: string;
  readonly said: () => string;
  /** @returns its exit code, or the signal that ended it */
  end(signal: NodeJS.Signals): Promise<number | string>;
}

function start(name: string, env: NodeJS.ProcessEnv): Process {
  const child: ChildProcess = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    env: { ...env, ARGOSY_INSTANCE: name },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? '')),
  );
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return {
    name,
    said: () => said,
    async end(signal) {
      child.kill(signal);
      return await ended;
    },
  };
}

/** Autoscalers as processes of their own, on whatever API server the scene has. */
export function describeProcesses(scene: Scene, stores: () => Stores): void {
  /** What such a process is told, in a folder that goes with the test. */
  async function environment(): Promise<NodeJS.ProcessEnv> {
    const folder = mkdtempSync(join(tmpdir(), 'argosy-scaling-'));
    scene.closing.push(() => rmSync(folder, { recursive: true, force: true }));
    const pool = {
      name: 'agent-worker',
      deployment,
      role: 'agent-worker',
      min: 1,
      max: 6,
      slots: 2,
      fill: 1,
      foresight: 0,
    };
    writeFileSync(join(folder, 'pools.json'), JSON.stringify({ pools: [pool] }));
    const { file, remove } = kubeconfigOf(await scene.accountAddress());
    scene.closing.push(remove);
    const { PATH, HOME } = process.env;
    const { databaseUrl, redisUrl } = stores();
    return {
      ...{ PATH, HOME, ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_REDIS_URL: redisUrl, ARGOSY_LOG_LEVEL: 'info' },
      ...{ ARGOSY_HEALTH_PORT: '0', ARGOSY_NAMESPACE: scene.namespace, ARGOSY_KUBECONFIG: file },
      ...{ ARGOSY_POOLS_FILE: join(folder, 'pools.json'), ARGOSY_SCALE_LEASE_MS: '6000' },
    };
  }

  it('go on with the work of one that is killed, and at once with that of one that is stopped', async () => {
    const fleet = await openFleet(stores(), fleetSettings(10_000));
    scene.closing.push(async () => await fleet.close());
    let accepted = 0;
    const accept = async (count: number): Promise<void> => {
      for (let left = count; left > 0; left--)
        await fleet.runs.accept(acceptanceOf('processes', `waits-${++accepted}`, { request: requestOf() }));
    };
    const env = await environment();
    const begin = (name: string): Process => {
      const one = start(name, env);
      scene.closing.push(async () => await one.end('SIGKILL'));
      return one;
    };
    const holder = async (): Promise<string> => String((await scene.lease()).spec['holderIdentity'] ?? '');
    const leads = async ({ name }: Process): Promise<boolean> => (await holder()).startsWith(`autoscaler-${name}-`);
    const asksFor = async (replicas: number): Promise<boolean> =>
      (await scene.cluster.read(target)).replicas === replicas;

    await accept(6);
    const [one, two] = [begin('one'), begin('two')];
    await until(async () => await asksFor(3));
    const [first, second] = (await leads(one)) ? [one, two] : [two, one];
    await until(() => second.said().includes('"event":"ready"'));
    expect(second.said()).not.toContain('took the lead');

    expect(await first.end('SIGKILL')).toBe('SIGKILL');
    await accept(4);
    await until(async () => (await asksFor(5)) && (await leads(second)));

    const third = begin('three');
    await until(() => third.said().includes('"event":"ready"'));
    await accept(2);
    expect(await second.end('SIGTERM')).toBe(0);
    // It has gone without the lead: nobody waits until that runs out.
    expect(await leads(second)).toBe(false);
    await until(async () => (await asksFor(6)) && (await leads(third)));
    expect(await third.end('SIGTERM')).toBe(0);
    expect([await holder(), (await scene.lease()).spec['leaseTransitions']]).toEqual(['', 2]);
  }, 180_000);
}
