/**
 * A process that stands for a container: started from the files of an image, in bubblewrap, with the command, settings and
 * user that the chart gives it, on a root where nothing can be written but what the chart mounts. It shares this machine's
 * network, so that ports have to be told.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { eventually } from '../support/argosy.ts';
import type { Container } from './chart.ts';

/** Where the image's files lie, laid out by `npm run test:k8s`. */
const imageTree = process.env['IMAGE_TREE'] ?? '';

const user = 10_001;

/** What is of the system in every image: programs and libraries, the loader, who there is, whom to trust. */
const system = [
  ...['/etc', '/etc/argosy', '/opt', '/var', '/var/lib'].flatMap((folder) => ['--perms', '0755', '--dir', folder]),
  ...['--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin', '--symlink', 'usr/sbin', '/sbin'],
  ...['--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
  ...['passwd', 'group', 'hosts', 'nsswitch.conf', 'resolv.conf', 'ssl', 'fonts'].flatMap((name) => [
    ...['--ro-bind-try', `/etc/${name}`, `/etc/${name}`],
  ]),
];

export interface PodLaunch {
  readonly container: Container;
  /** Over what the chart says: secrets, and ports of this machine. */
  readonly env: Readonly<Record<string, string>>;
  /** Files and folders of ours, by where the container has them. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The arguments of bwrap before the command. */
function sandbox({ container, env, files = {} }: PodLaunch): string[] {
  const told = Object.fromEntries(
    (container.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
  );
  const all = { PATH: '/opt/node/bin:/usr/bin', HOME: '/tmp', ARGOSY_DATA_DIR: '/var/lib/argosy', ...told, ...env };
  return [
    ...system,
    ...['--ro-bind', imageTree, '/opt/argosy', '--ro-bind', dirname(dirname(process.execPath)), '/opt/node'],
    ...['--proc', '/proc', '--dev', '/dev', '--perms', '1777', '--tmpfs', '/tmp'],
    ...['--perms', '0777', '--tmpfs', '/var/lib/argosy'],
    ...Object.entries(files).flatMap(([inside, ours]) => ['--ro-bind', ours, inside]),
    ...[
      '--remount-ro',
      '/',
      '--unshare-pid',
      '--as-pid-1',
      '--die-with-parent',
      '--chdir',
      '/opt/argosy',
      '--clearenv',
    ],
    ...Object.entries(all).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

/** Root gives its rights away for good; anybody else has a namespace in which they are that user. */
function asUser(command: readonly string[]): string[] {
  if (process.getuid?.() !== 0)
    return ['--unshare-user', '--uid', String(user), '--gid', String(user), '--', ...command];
  const rights = ['--reuid', String(user), '--regid', String(user), '--clear-groups', '--bounding-set', '-all'];
  return ['--', 'setpriv', ...rights, '--inh-caps', '-all', '--no-new-privs', '--', ...command];
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class PodProcess {
  readonly #child: ChildProcess;
  readonly ended: Promise<End>;
  /** Of the container's first process, as this machine sees it. */
  readonly pid: Promise<number>;
  #said = '';
  #over: End | null = null;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    this.ended = once(child, 'close').then(([code, signal]) => {
      this.#over = { code, signal };
      return this.#over;
    });
    this.pid = firstProcess(child.stdio[3] as Readable); // what spawn was told to make of it
    this.pid.catch(() => undefined);
  }

  /** Starts the image's own command, `node`, or the container's, with its arguments. */
  static start(launch: PodLaunch): PodProcess {
    const { command = ['node'], args = [] } = launch.container;
    return PodProcess.run(launch, [...command, ...args]);
  }

  /** Starts another command in such a container. */
  static run(launch: PodLaunch, command: readonly string[]): PodProcess {
    const args = ['--info-fd', '3', ...sandbox(launch), ...asUser(command)];
    return new PodProcess(spawn('bwrap', args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] }));
  }

  /** Waits until a readiness probe would succeed. @throws where the process ends before that */
  async ready(path: string): Promise<void> {
    await eventually(async () => {
      if (this.#over !== null) throw new Error(`ended with ${JSON.stringify(this.#over)}:\n${this.#said}`);
      const [, port] = /"event":"ready","port":(\d+)/.exec(this.#said) ?? [];
      if (port === undefined) return null;
      const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => null);
      await response?.arrayBuffer();
      return response?.status === 200 ? true : null;
    }, `a process to be ready:\n${this.#said}`);
  }

  get said(): string {
    return this.#said;
  }

  /** As the kubelet asks it to end. */
  async terminate(): Promise<End> {
    process.kill(await this.pid, 'SIGTERM');
    return await this.ended;
  }

  /** A line of its status in /proc, such as `Uid`. */
  async status(name: string): Promise<string> {
    const text = readFileSync(`/proc/${await this.pid}/status`, 'utf8');
    return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  }

  /** For whatever is left after a failure. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

async function firstProcess(info: Readable): Promise<number> {
  let text = '';
  for await (const chunk of info) text += String(chunk);
  const { 'child-pid': pid } = JSON.parse(text) as { 'child-pid': number }; // bwrap's
  return pid;
}
