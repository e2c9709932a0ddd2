/**
 * The API server of Kubernetes, real and alone: no nodes, no controllers. It is built from Go's module proxy by
 * test/kubernetes/servers, once a machine; etcd is Debian's.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import path from 'node:path';
import { announced } from '../setup/fault.mjs';
import { inRoot } from '../setup/paths.mjs';
import { aptInstall, canInstall } from './apt.mjs';
import { cacheFolder } from './helm.mjs';
import { freePort, ordinaryUser, PrivateServer, privateFolder } from './private-server.mjs';

const sources = inRoot('test', 'kubernetes', 'servers');
const crds = inRoot('test', 'kubernetes', 'crds');
const definitions = [
  [
    'github.com/prometheus-operator/prometheus-operator',
    'example/prometheus-operator-crd',
    /(service|pod)monitors|rules/,
  ],
  ['sigs.k8s.io/gateway-api', 'config/crd/standard', /_httproutes/],
];

/** As test/kubernetes/servers/go.mod has it. */
export function kubernetesVersion() {
  const [, version = ''] = /k8s\.io\/kubernetes (v\S+)/.exec(readFileSync(path.join(sources, 'go.mod'), 'utf8')) ?? [];
  return version;
}

/** A binary is of its sources: other sources make another one. */
function binary() {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum', 'kube-apiserver/main.go'])
    hash.update(readFileSync(path.join(sources, file)));
  return path.join(
    cacheFolder(),
    'kubernetes',
    `kube-apiserver-${kubernetesVersion()}-${hash.digest('hex').slice(0, 12)}`,
  );
}

const succeeds = (command, args) => spawnSync(command, args, { stdio: 'ignore', timeout: 60_000 }).status === 0;

/**
 * Brings what a real API server needs.
 * @returns {Promise<string | null>} what is missing and what to do, or null
 */
export async function provideKubernetes() {
  if (!succeeds('go', ['version'])) return 'Go is missing (1.26 or later): install it from go.dev';
  if (!succeeds('etcd', ['--version'])) {
    if (!canInstall()) return 'etcd is missing: apt-get install etcd-server';
    await aptInstall(['etcd-server']);
  }
  const file = binary();
  if (existsSync(file)) return null;
  mkdirSync(path.dirname(file), { recursive: true });
  const [major, minor] = kubernetesVersion().slice(1).split('.');
  const version = 'k8s.io/component-base/version';
  const names = [`gitVersion=${kubernetesVersion()}`, `gitMajor=${major}`, `gitMinor=${minor}`];
  const flags = ['-s', '-w', ...names.flatMap((pair) => ['-X', `${version}.${pair}`])].join(' ');
  await announced('building kube-apiserver (once, about 10 minutes on two cores)', async () => {
    const args = ['build', '-trimpath', '-ldflags', flags, '-o', `${file}.part`, './kube-apiserver'];
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' };
    execFileSync('go', args, { cwd: sources, env, stdio: ['ignore', 'inherit', 'inherit'] });
    renameSync(`${file}.part`, file);
  });
  return null;
}

/** @returns {string[]} files with the definitions of the foreign kinds that the chart uses */
export function foreignKinds() {
  return definitions.flatMap(([module, folder, wanted]) => {
    const told = execFileSync('go', ['mod', 'download', '-json', module], { cwd: crds, encoding: 'utf8' });
    const home = path.join(JSON.parse(told).Dir, folder);
    const files = readdirSync(home);
    return files.filter((file) => wanted.test(file)).map((file) => path.join(home, file));
  });
}

/**
 * Starts etcd and an API server with all rights for who has the token. Only after {@link provideKubernetes}.
 * @returns {Promise<import('./kubernetes.mjs').ApiServer>}
 */
export async function startApiServer() {
  const user = ordinaryUser(['etcd', 'nobody']);
  const etcd = await startEtcd(user);
  try {
    const server = await startServer(etcd.url);
    return {
      ...server,
      stop: async () => {
        await server.stop();
        await etcd.stop();
      },
    };
  } catch (error) {
    await etcd.stop();
    throw error;
  }
}

async function startEtcd(user) {
  const folder = privateFolder('etcd', user);
  const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  const server = new PrivateServer({
    name: 'etcd',
    url: client,
    folder,
    command: 'etcd',
    args: [
      ...['--data-dir', path.join(folder, 'data'), '--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
    ],
    user,
    quick: 'SIGKILL',
    // biome-ignore lint/style/noRestrictedGlobals: a probe on this machine, on behalf of no run
    answers: async () => (await fetch(`${client}/health`, { signal: AbortSignal.timeout(2000) })).ok,
  });
  await server.start();
  return server;
}

/** @returns {string} the file, which only we can read */
function give(file, text) {
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** As ourselves, for the binary is in our cache, where nobody else may look. */
async function startServer(etcdUrl) {
  const folder = privateFolder('kube-apiserver');
  const port = await freePort();
  const token = randomBytes(16).toString('hex');
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const key = give(path.join(folder, 'accounts.pem'), privateKey);
  const tokens = give(path.join(folder, 'tokens.csv'), `${token},tests,tests,system:masters\n`);
  const certificate = () => readFileSync(path.join(folder, 'apiserver.crt'), 'utf8');
  const url = `https://127.0.0.1:${port}`;
  const server = new PrivateServer({
    name: 'kube-apiserver',
    url,
    folder,
    command: binary(),
    args: [
      ...[`--etcd-servers=${etcdUrl}`, '--bind-address=127.0.0.1', `--secure-port=${port}`, `--cert-dir=${folder}`],
      ...[`--token-auth-file=${tokens}`, '--authorization-mode=RBAC', '--service-cluster-ip-range=10.96.0.0/16'],
      ...['--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${key}`],
      ...[`--service-account-signing-key-file=${key}`, '--endpoint-reconciler-type=none'],
      // As clusters have it: it is for Pod Security to refuse.
      '--allow-privileged=true',
      // No controller makes accounts and their tokens here.
      '--disable-admission-plugins=ServiceAccount',
    ],
    user: undefined,
    quick: 'SIGKILL',
    answers: async () => await isReady(url, token, certificate()),
  });
  await server.start();
  return {
    ...{ url, token, certificate: certificate() },
    ...{ kill: () => server.kill(), startAgain: () => server.start(), stop: () => server.stop() },
  };
}

function isReady(url, token, ca) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const options = { ca, headers, timeout: 2000, checkServerIdentity: () => undefined };
    request(`${url}/readyz`, options, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('timeout', () => reject(new Error('no answer')))
      .on('error', reject)
      .end();
  });
}
