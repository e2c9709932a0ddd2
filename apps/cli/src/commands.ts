import { once } from 'node:events';
import { InvalidInput } from '#errors';
import { parseModelSpec } from '#model';
import type { Config } from '#platform';
import { DataDirectoryBusy } from '#runs';
import type { Client } from './client.ts';
import { type Connection, connect, type RemoteServer } from './connection.ts';
import type { Embedded, EmbeddedOptions } from './embedded.ts';
import { RunProgress } from './progress.ts';
import { exitCodes, research, type Terminal } from './research.ts';
import { parseFlags, parseResearch } from './research-options.ts';
import { verifyFolder } from './verify.ts';

/** Everything a command may use of the process. */
export interface Surroundings {
  readonly config: Config;
  readonly describedConfig: Readonly<Record<string, string>>;
  /** `ARGOSY_URL`, when set. */
  readonly remote: RemoteServer | null;
  readonly terminal: Terminal;
  readonly writeLog: (line: string) => void;
}

const usage = `Argosy answers research questions from documents, quoting its sources word for word.

  argosy research "question" --corpus PATH | --url URL   one question, live progress, report on stdout
    [--model extractive | openai:BASE_URL#MODEL] [--max-steps N] [--max-seconds S] [--max-tokens N] [--max-usd X]
    [--allow-domain D] [--deny-domain D] [--out DIR] [--json FILE] [--quiet]
  argosy serve [--port N] [--model SPEC]                 HTTP API on 127.0.0.1:7420 until stopped
  argosy runs list | show ID | watch ID | cancel ID      runs of the server at hand
  argosy verify FOLDER                                   checks a report against its snapshots, offline
  argosy doctor                                          what this process would use

In a clone, npm start -- "question" ... is argosy research, and npm start alone is argosy serve.
`;

/** @returns the exit code. @throws whatever main prints */
export async function runCommand(args: readonly string[], around: Surroundings): Promise<number> {
  const [name = 'help', ...rest] = args;
  switch (name) {
    case 'start':
      return await start(rest, around);
    case 'research':
      return await runResearch(rest, around);
    case 'serve':
      return await serve(rest, around);
    case 'runs':
      return await runs(rest, around);
    case 'verify':
      return await verify(rest, around.terminal);
    case 'doctor':
      return doctor(around);
    case 'help':
    case '--help':
    case '-h':
      around.terminal.print(usage);
      return exitCodes.ok;
    default:
      throw new InvalidInput([{ path: '', message: `there is no command ${JSON.stringify(name)}.\n\n${usage}` }]);
  }
}

/** What `npm start` means: a server without a question, research with one. */
async function start(args: readonly string[], around: Surroundings): Promise<number> {
  if (args[0] === '--help' || args[0] === '-h') return await runCommand(['help'], around);
  if (args.every((word, i) => isServeFlag(word) || isServeFlag(args[i - 1]))) return await serve(args, around);
  return await runResearch(args, around);
}

/** Flags that make sense without a question. */
function isServeFlag(word: string | undefined): boolean {
  return word === '--port' || word === '--model';
}

async function runResearch(args: readonly string[], around: Surroundings): Promise<number> {
  if (args.includes('--help')) return await runCommand(['help'], around);
  const command = parseResearch(args);
  const options: EmbeddedOptions = { ...around, port: 0, model: command.model };
  return await research(command, around.remote, options, around.terminal);
}

async function serve(args: readonly string[], around: Surroundings): Promise<number> {
  const { values, positionals } = parseFlags(args, { port: { type: 'string' }, model: { type: 'string' } });
  if (positionals.length > 0) throw new InvalidInput([{ path: '', message: 'serve takes no question' }]);
  const { config, terminal, writeLog } = around;
  const model = values.model === undefined ? null : parseModelSpec(values.model);
  const port = values.port === undefined ? config.ARGOSY_PORT : parsePort(values.port);
  let server: Embedded;
  try {
    const embedded = await import('./embedded.ts');
    server = await embedded.Embedded.start({ config, port, model, writeLog });
  } catch (error) {
    if (!(error instanceof DataDirectoryBusy)) throw error;
    const message = `${error.message} It may be serving already; \`argosy runs list\` asks it`;
    throw new InvalidInput([{ path: config.ARGOSY_DATA_DIR, message }], { cause: error });
  }
  terminal.progress.note(`Argosy serves on ${server.url} (Ctrl-C stops it; runs go on at the next start)`);
  if (!terminal.interrupted.aborted) await once(terminal.interrupted, 'abort');
  terminal.progress.note('stopping');
  await server.stop();
  return exitCodes.ok;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535 && text.trim() !== '') return port;
  throw new InvalidInput([{ path: '--port', message: 'needs a number from 0 to 65535' }]);
}

async function runs(args: readonly string[], around: Surroundings): Promise<number> {
  const [action, id] = args;
  if (
    action === undefined ||
    !(action === 'list' || (id !== undefined && ['show', 'watch', 'cancel'].includes(action)))
  ) {
    throw new InvalidInput([{ path: 'runs', message: 'say list, show ID, watch ID or cancel ID' }]);
  }
  const connection = await connect(around.remote, { ...around, port: 0, model: null });
  try {
    return await runsAction(action, id ?? '', connection, around.terminal);
  } finally {
    await connection.close();
  }
}

async function runsAction(
  action: string,
  id: string,
  { client }: Connection,
  { print, progress, interrupted }: Terminal,
): Promise<number> {
  if (action === 'list') {
    for (const run of await client.list(100)) print(`${run.id}  ${run.status.padEnd(10)}  ${oneLine(run.question)}\n`);
    return exitCodes.ok;
  }
  if (action === 'cancel') await client.cancel(id);
  if (action === 'watch') await watch(client, id, new RunProgress(progress, null), interrupted);
  print(`${JSON.stringify(await client.get(id), null, 2)}\n`);
  return exitCodes.ok;
}

async function watch(client: Client, id: string, progress: RunProgress, interrupted: AbortSignal): Promise<void> {
  for await (const event of client.events(id, 0)) {
    if (interrupted.aborted) return;
    progress.show(event);
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 100);
}

async function verify(args: readonly string[], { print }: Terminal): Promise<number> {
  const [folder, ...more] = args;
  if (folder === undefined || more.length > 0) {
    throw new InvalidInput([
      { path: 'verify', message: 'give the folder of one report: argosy verify argosy-reports/run_...' },
    ]);
  }
  const result = await verifyFolder(folder);
  if (!result.sound) {
    print(`NOT SOUND: ${result.fault}\n`);
    return exitCodes.failed;
  }
  print(`sound: ${result.claims} claims, ${result.citations} citations, ${result.snapshots} snapshots checked\n`);
  return exitCodes.ok;
}

function doctor({ describedConfig, remote, terminal }: Surroundings): number {
  terminal.print(`node ${process.version}, server ${remote?.url ?? 'embedded (ARGOSY_URL not set)'}\n`);
  for (const [name, value] of Object.entries(describedConfig)) terminal.print(`${name}=${value}\n`);
  return exitCodes.ok;
}
