/** Every role, from the files of an image, as the chart starts it. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { canOwnServers, ownPostgres, ownRedis, type PrivateServer } from '../support/servers.ts';
import { type Container, objectsOf, podOf, valuesOf } from './chart.ts';
import { FakeApiServer, fakeToken } from './fake-api-server.ts';
import { type End, PodProcess } from './pod-process.ts';

const missing = process.env['BUBBLEWRAP_MISSING'] ?? (canOwnServers ? undefined : 'needs Redis and PostgreSQL here');
const withSandbox = missing === undefined ? describe : describe.skip;
const kinds = ['search', 'visit', 'browser', 'scholar'];
/** Of every role in the chart. */
const probe = '/readyz';
const model = join(import.meta.dirname, '..', 'golden', 'tiny-researcher', 'model');

withSandbox(
  `roles on a read-only root, as a user without rights${missing === undefined ? '' : ` [${missing}]`}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'argosy-pods-'));
    const signingKey = join(folder, 'signing-key.pem');
    const pods = new Map<string, Container>();
    const left: PodProcess[] = [];
    let stores: readonly PrivateServer[] = [];
    let secrets: Record<string, string> = {};
    let migrated: { readonly end: End; readonly said: string } | null = null;
    let pools = '';

    beforeAll(async () => {
      const set = [
        ...['inference.builtin.groups=1', 'inference.builtin.shards=1', 'inference.model.claim="weights"'],
        ...['autoscaler.mode="argosy"', 'autoscaler.apiServer.peers=[{"ipBlock":{"cidr":"10.0.0.1/32"}}]'],
        ...kinds.map((kind) => `toolWorkers.pools.${kind}.enabled=true`),
      ];
      for (const object of objectsOf({ files: [valuesOf('laptop')], set })) {
        const [container] = podOf(object)?.spec.containers ?? [];
        // A Job's name ends with what it is made of.
        const name = object.metadata.name.replace(/^argosy-(.*?)(-[0-9a-f]{8})?$/, '$1');
        pools = object.data?.['pools.json'] ?? pools;
        if (container !== undefined) pods.set(name, container);
      }
      const privateKey = { type: 'pkcs8', format: 'pem' } as const;
      const made = generateKeyPairSync('ed25519', {
        privateKeyEncoding: privateKey,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
      });
      writeFileSync(signingKey, made.privateKey);
      // As a secret is mounted: for the pod's group to read.
      chmodSync(signingKey, 0o444);
      chmodSync(folder, 0o755);
      stores = await Promise.all([ownPostgres(), ownRedis()]);
      const [postgres, redis] = stores;
      secrets = { ARGOSY_DATABASE_URL: postgres?.url ?? '', ARGOSY_REDIS_URL: redis?.url ?? '' };
      const job = start('migrate', { ARGOSY_DATABASE_URL: postgres?.url ?? '' });
      migrated = { end: await job.ended, said: job.said };
    }, 120_000);
    afterEach(() => {
      for (const pod of left.splice(0)) pod.kill();
    });
    afterAll(async () => {
      await Promise.all(stores.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    });

    const containerOf = (name: string): Container => {
      const container = pods.get(name);
      if (container === undefined) throw new Error(`the chart has no ${name}: ${[...pods.keys()].join(', ')}`);
      return container;
    };

    function start(name: string, env: Record<string, string>, files: Record<string, string> = {}): PodProcess {
      const pod = PodProcess.start({ container: containerOf(name), env, files });
      left.push(pod);
      return pod;
    }

    /** Ready by the chart's probe, nobody in particular, and gone when asked to. */
    async function standsFor(pod: PodProcess): Promise<void> {
      await pod.ready(probe);
      expect(await pod.status('Uid')).toMatch(/^10001\s/);
      expect(await pod.status('CapEff')).toMatch(/^0+$/);
      expect(await pod.status('CapBnd')).toMatch(/^0+$/);
      expect(await pod.status('NoNewPrivs')).toBe('1');
      expect({ end: await pod.terminate(), said: pod.said }).toEqual({
        end: { code: 0, signal: null },
        said: expect.stringContaining('"stopped"'),
      });
    }

    it('cannot write to anything but what is mounted for that', async () => {
      const look = `const fs = require('fs');
      const tried = ['/opt/argosy/x', '/usr/x', '/x', '/etc/x', '/tmp/x', '/var/lib/argosy/x'].map((file) => {
        try { fs.writeFileSync(file, ''); return 'written'; } catch (error) { return error.code; } });
      process.stderr.write(JSON.stringify(tried));`;
      const pod = PodProcess.run({ container: containerOf('dispatcher'), env: {} }, ['node', '-e', look]);
      expect(await pod.ended).toEqual({ code: 0, signal: null });
      expect(JSON.parse(pod.said)).toEqual(['EROFS', 'EROFS', 'EROFS', 'EROFS', 'written', 'written']);
    });

    it('brings the schema up to date by a Job, for which the others wait', () => {
      expect(migrated).toEqual({ end: { code: 0, signal: null }, said: '' });
      const waiting = [...pods].filter(([, { env = [] }]) =>
        env.some(({ name, value }) => name === 'ARGOSY_MIGRATE' && value === 'wait'),
      );
      const tools = ['web', ...kinds].map((kind) => `tool-${kind}`);
      expect(waiting.map(([name]) => name).sort()).toEqual(
        ['agent-worker', 'autoscaler', 'dispatcher', 'gateway', ...tools].sort(),
      );
    });

    it('starts a gateway', async () => {
      const env = { ...secrets, ARGOSY_PORT: '0', ARGOSY_KEY_PEPPER: randomBytes(32).toString('base64') };
      await standsFor(start('gateway', env, { '/etc/argosy/signing': folder }));
    });

    it.each(['dispatcher', 'agent-worker', 'tool-web'])('starts a %s', async (name) => {
      const env = { ...secrets, ARGOSY_HEALTH_PORT: '0', ARGOSY_BROWSER: 'off' };
      await standsFor(start(name, env));
    });

    it.each(kinds)('starts a worker that takes calls of the kind %s alone', async (kind) => {
      // Any program stands for Chromium, which starts with the first page that needs it.
      const browser = kind === 'browser' ? { ARGOSY_BROWSER: '/opt/node/bin/node' } : {};
      const pod = start(`tool-${kind}`, { ...secrets, ARGOSY_HEALTH_PORT: '0', ...browser });
      await standsFor(pod);
      expect(pod.said).toContain(`"event":"offers","kinds":"${kind}"`);
    });

    it('starts an autoscaler, with the pools of the chart, whose API server is one in memory', async () => {
      const server = new FakeApiServer();
      await server.open();
      try {
        const files = join(folder, 'autoscaler');
        mkdirSync(files);
        writeFileSync(join(files, 'pools.json'), pools);
        const kubeconfig = {
          ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
          clusters: [{ name: 'c', cluster: { server: server.url } }],
          users: [{ name: 'c', user: { token: fakeToken } }],
          contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
        };
        writeFileSync(join(files, 'kubeconfig'), JSON.stringify(kubeconfig));
        const env = { ...secrets, ARGOSY_HEALTH_PORT: '0', ARGOSY_KUBECONFIG: '/etc/argosy/pools/kubeconfig' };
        await standsFor(start('autoscaler', env, { '/etc/argosy/pools': files }));
      } finally {
        await server.close();
      }
    });

    it('starts an egress proxy, which knows no store', async () => {
      const env = { ARGOSY_HEALTH_PORT: '0', ARGOSY_PORT: '0' };
      await standsFor(start('egress', env));
      expect(
        containerOf('egress')
          .env?.map(({ name }) => name)
          .filter((name) => /DATABASE|REDIS/.test(name)),
      ).toEqual([]);
    });

    it('starts an inference group, its first pod the coordinator and its second a shard', async () => {
      const weights = { '/models': model };
      const of = (index: number) => ({
        POD_INDEX: String(index),
        SHARDS: '127.0.0.1:50052',
        ARGOSY_HEALTH_PORT: '0',
        ARGOSY_INFERENCE_THREADS: '1',
      });
      const shard = start('group-0', of(1), weights);
      const coordinator = start('group-0', of(0), weights);
      await shard.ready(probe);
      await standsFor(coordinator);
      await standsFor(shard);
    });

    it('runs the command line', async () => {
      const pod = PodProcess.run(
        { container: containerOf('gateway'), env: { ...secrets, ARGOSY_KEY_PEPPER: 'x'.repeat(44) } },
        ['node', 'dist/apps/cli/src/main.js', 'help'],
      );
      expect({ end: await pod.ended, said: pod.said }).toEqual({ end: { code: 0, signal: null }, said: '' });
    });
  },
);
