/** The Prometheus that tests have scrape a fleet: one on PATH, or Debian's, unpacked and not installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { announced, say } from '../setup/fault.mjs';
import { canInstall } from './apt.mjs';
import { cacheFolder } from './helm.mjs';
import { freePort, ordinaryUser, PrivateServer, privateFolder } from './private-server.mjs';

const home = () => path.join(cacheFolder(), 'prometheus-debian');
const unpacked = () => path.join(home(), 'usr', 'bin');

const works = (program) => spawnSync(program, ['--version'], { stdio: 'ignore', timeout: 20_000 }).status === 0;

/** @returns {{ prometheus: string, promtool: string } | undefined} */
export function findPrometheus() {
  const folders = ['', '/usr/bin', unpacked()];
  const programs = folders.map((folder) => ({
    prometheus: path.join(folder, 'prometheus'),
    promtool: path.join(folder, 'promtool'),
  }));
  return programs.find(({ prometheus, promtool }) => works(prometheus) && works(promtool));
}

/**
 * Sees to it that there is a Prometheus: as root on Debian its package is fetched once (19 MB) and unpacked into the cache,
 * without its user, its service and what it depends on. Where that cannot be, the test that needs it is skipped by name.
 */
export async function providePrometheus() {
  if (findPrometheus() !== undefined || !canInstall()) return;
  await announced('fetching prometheus (19 MB, once)', async () => {
    try {
      fetchInto(home());
    } catch (error) {
      say(`prometheus cannot be fetched: ${String(error.message).split('\n')[0]}`);
    }
  });
}

function fetchInto(folder) {
  mkdirSync(path.dirname(folder), { recursive: true });
  const staging = mkdtempSync(`${folder}-`);
  try {
    const options = { cwd: staging, timeout: 300_000, stdio: ['ignore', 'ignore', 'pipe'] };
    const download = () => execFileSync('/usr/bin/apt-get', ['-q', 'download', 'prometheus'], options);
    try {
      download();
    } catch {
      // The package lists of a fresh machine are empty.
      execFileSync('/usr/bin/apt-get', ['-q', 'update'], options);
      download();
    }
    const [archive = ''] = readdirSync(staging).filter((file) => file.endsWith('.deb'));
    execFileSync('dpkg-deb', ['--extract', archive, 'unpacked'], options);
    if (!existsSync(folder)) renameSync(path.join(staging, 'unpacked'), folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** @returns {string | null} what promtool says against a file of rules; null when it has nothing to say */
export const faultsOfRules = (file) => faultsBy(['check', 'rules', file]);

/** The same for a file of tests of rules. */
export const faultsOfTests = (file) => faultsBy(['test', 'rules', file]);

function faultsBy(args) {
  const options = { encoding: 'utf8', timeout: 120_000 };
  const { status, stdout, stderr, error } = spawnSync(findPrometheus()?.promtool ?? 'promtool', args, options);
  return status === 0 ? null : `${stdout}${stderr}${error ?? ''}`;
}

/**
 * Starts a Prometheus that looks once a second.
 * @param {{ targets: Record<string, string>, rules: string }} options `targets`: addresses by what they are called
 * @returns {Promise<PrivateServer>}
 */
export async function startPrometheus({ targets, rules }) {
  const user = ordinaryUser(['nobody']);
  const folder = privateFolder('prometheus', user);
  const port = await freePort();
  cpSync(rules, path.join(folder, 'rules.yaml'));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yaml'],
    scrape_configs: Object.entries(targets).map(([name, address]) => ({
      job_name: name,
      static_configs: [{ targets: [address] }],
    })),
  };
  // JSON is YAML.
  writeFileSync(path.join(folder, 'prometheus.yml'), JSON.stringify(config));
  if (user !== undefined)
    for (const file of readdirSync(folder)) chownSync(path.join(folder, file), user.uid, user.gid);
  const url = `http://127.0.0.1:${port}`;
  const server = new PrivateServer({
    name: 'Prometheus',
    url,
    folder,
    command: findPrometheus()?.prometheus ?? 'prometheus',
    args: [
      `--config.file=${path.join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    user,
    quick: 'SIGKILL',
    // biome-ignore lint/style/noRestrictedGlobals: a server of our own on loopback
    answers: async () => (await fetch(`${url}/-/ready`)).ok,
  });
  await server.start();
  return server;
}
