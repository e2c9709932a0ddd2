/** Runs the built command line as a user does: its own process, its own folder, none of our environment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');
const program = join(root, 'dist', 'apps', 'cli', 'src', 'main.js');

/** No wait of these tests is longer: far above what a loaded machine needs, far below a hung one. */
const limitMs = 150_000;

export interface Launch {
  /** Current folder of the process; its data directory is `.argosy` in it. */
  readonly cwd: string;
  /** Beside PATH and HOME nothing else is set. */
  readonly env?: Readonly<Record<string, string>>;
  /** What is run instead of the command line. */
  readonly script?: string;
}

export interface Finished {
  /** 128 + n after signal n, as shells count. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process under way. */
export interface Running {
  /** Its end; the deadline counts from when this is read. */
  readonly finished: Promise<Finished>;
  /** Resolves with the first match in stderr, also one that is there already; rejects when the process ends without. */
  said(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Closes our ends of its output, as `| head` does. */
  deafen(): void;
  readonly ended: boolean;
  readonly pid: number;
  /** All of stderr so far. */
  readonly stderr: string;
}

const alive = new Set<ChildProcess>();

/** Starts `argosy ...args`. Whatever still runs after the tests of a file is killed by {@link endLeftovers}. */
export function launch(args: readonly string[], { cwd, env = {}, script = program }: Launch): Running {
  if (!existsSync(program)) throw new Error(`${program} is missing. Build first: npm run build`);
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    cwd,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  alive.add(child);
  let [stdout, stderr, ended] = ['', '', false];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const end = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      ended = true;
      alive.delete(child);
      resolve({ exitCode: code ?? 128 + (signalNumbers[signal ?? ''] ?? 0), stdout, stderr });
    });
  });
  return {
    get finished() {
      return within(end, () => `argosy ${args.join(' ').slice(0, 200)} has not ended; stderr:\n${stderr}`);
    },
    said: async (pattern) => {
      const found = new Promise<string>((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stderr);
          if (match !== null) resolve(match[0]);
        };
        look();
        child.stderr.on('data', look);
        child.once('close', () => reject(new Error(`argosy ended without saying ${pattern}; stderr:\n${stderr}`)));
      });
      return await within(found, () => `argosy has not said ${pattern}; stderr:\n${stderr}`);
    },
    kill: (signal) => void child.kill(signal),
    deafen() {
      child.stdout.destroy();
      child.stderr.destroy();
    },
    get ended() {
      return ended;
    },
    pid: child.pid ?? 0,
    get stderr() {
      return stderr;
    },
  };
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** Runs `argosy ...args` to its end. */
export async function argosy(args: readonly string[], options: Launch): Promise<Finished> {
  return await launch(args, options).finished;
}

/** A running `argosy serve` and where it serves. */
export async function serve(
  options: Launch,
  args: readonly string[] = [],
): Promise<Running & { readonly url: string }> {
  const server = launch(['serve', '--port', '0', ...args], options);
  const url = await server.said(/http:\/\/127\.0\.0\.1:\d+(?= )/);
  return Object.assign(server, { url });
}

/** Registers the end of everything that these tests launched. */
export function endLeftovers(): void {
  afterAll(() => {
    for (const child of alive) child.kill('SIGKILL');
  });
}

/** Rejects where a wait of ours takes too long, saying what was waited for. */
export async function within<T>(promise: Promise<T>, what: () => string): Promise<T> {
  const done = new AbortController();
  const late = sleep(limitMs, undefined, { signal: done.signal }).then(() => {
    throw new Error(what());
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    done.abort();
  }
}

/** Asks again until there is an answer. For states that nothing announces, such as a file of another process. */
export async function eventually<T>(look: () => Promise<T | null>, what: string): Promise<T> {
  const giveUpAt = performance.now() + limitMs;
  while (performance.now() < giveUpAt) {
    const found = await look();
    if (found !== null) return found;
    await sleep(50);
  }
  throw new Error(`waited in vain for ${what}`);
}

/** A folder to work in, without a data directory. Removed after the tests of the file. */
export function emptyWorkplace(): string {
  const folder = mkdtempSync(join(tmpdir(), 'argosy-e2e-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A folder whose `.argosy` holds a new, empty database: a copy, because making one takes seconds. */
export async function workplace(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  cpSync(await emptyDatabase(), join(folder, '.argosy'), { recursive: true });
  return folder;
}

/** The copied database: kept between runs of the tests, for as long as nothing that makes it changes. */
async function emptyDatabase(): Promise<string> {
  const kept = join(root, '.argosy', 'test', `database-${recipe()}`);
  if (existsSync(kept)) return kept;
  const folder = join(root, '.argosy', 'test');
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (name.startsWith('database-')) rmSync(join(folder, name), { recursive: true, force: true });
  }
  // Spec files that run side by side make one each, and the first stays.
  const cwd = mkdtempSync(join(folder, 'draft-of-database-'));
  try {
    const { exitCode, stderr } = await argosy(['runs', 'list'], { cwd });
    if (exitCode !== 0) throw new Error(`no empty database could be made: ${stderr}`);
    if (!existsSync(kept)) renameSync(join(cwd, '.argosy'), kept);
  } finally {
    rmSync(cwd, { recursive: true });
  }
  return kept;
}

/** Changes with whatever makes a database: our runs library, PGlite, BullMQ. */
function recipe(): string {
  const hash = createHash('sha256');
  const runs = join(root, 'dist', 'libs', 'runs');
  const files = readdirSync(runs, { recursive: true, encoding: 'utf8' }).map((name) => join(runs, name));
  const packages = ['@electric-sql/pglite', 'bullmq'].map((name) => join(root, 'node_modules', name, 'package.json'));
  for (const file of [...files.sort(), ...packages]) {
    if (statSync(file).isFile()) hash.update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 16);
}
