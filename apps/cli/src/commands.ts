import { once } from 'node:events';
import type { Seal } from '#contracts';
import { InvalidInput } from '#errors';
import { parseModelSpec } from '#model';
import { type Config, jsonLogger, startTelemetry, type Telemetry } from '#platform';
import { DataDirectoryBusy } from '#runs';
import { type Connection, connect, type RemoteServer } from './connection.ts';
import type { Embedded, EmbeddedOptions } from './embedded.ts';
import { runningFleet } from './fleet-file.ts';
import { groups } from './groups.ts';
import { inference } from './inference.ts';
import { audit, keys } from './keys.ts';
import { migrate } from './migrate.ts';
import { exitCodes, research, type Terminal } from './research.ts';
import { parseFlags, parseResearch } from './research-options.ts';
import { runs } from './runs.ts';
import { scale } from './scale.ts';
import { secrets } from './secrets.ts';
import { tenants } from './tenants.ts';
import { usage } from './usage.ts';
import { verifyReport } from './verify.ts';

/** Everything a command may use of the process. */
export interface Surroundings {
  readonly config: Config;
  readonly describedConfig: Readonly<Record<string, string>>;
  /** `ARGOSY_URL`, when set. */
  readonly remote: RemoteServer | null;
  readonly terminal: Terminal;
  /** Standard input. */
  readonly input: AsyncIterable<Uint8Array | string>;
  readonly writeLog: (line: string) => void;
}

const help = `Argosy answers research questions from documents and the web, quoting its sources word for word.

  argosy research "question"                             one question, live progress, report on stdout
    [--corpus PATH] [--url URL]                          reads these and nothing else; without them, searches the web
    [--web] [--provider NAME]                            searches the web, too; asks these providers alone
    [--published-after DAY] [--published-before DAY]
    [--model extractive | openai:BASE_URL#MODEL | openai-tools:BASE_URL#MODEL]
    [--max-steps N] [--max-seconds S] [--max-tokens N] [--max-usd X] [--deadline INSTANT]
    [--citations mark|strict] [--schema FILE]
    [--allow-domain D] [--deny-domain D] [--out DIR] [--json FILE] [--quiet]
  argosy serve [--port N] [--model SPEC]                 HTTP API on 127.0.0.1:7420 until stopped
  argosy runs list | show ID | watch ID | cancel ID      runs of the server at hand
  argosy runs explain ID [--json]                        where its time went: a waterfall, the slowest calls, retries, faults
  argosy runs delete ID                                  removes a run for good, and stops it if it has not ended
  argosy usage [--from DAY] [--to DAY] [--csv]           tokens, money and waste by the day, of the server at hand
    [--all-tenants]                                      or of every tenant in ARGOSY_DATABASE_URL
  argosy keys create --name NAME [--scope S] [--expires 90d] [--replace] | list | revoke ID
    [--tenant TENANT]                                    keys of the server at hand, or of a tenant in ARGOSY_DATABASE_URL
  argosy secrets set NAME | list | delete NAME           keys at search providers that the server at hand keeps for its tenant;
                                                         set reads one from standard input
  argosy tenants create ID | show ID | set ID            what a tenant in ARGOSY_DATABASE_URL may; none or all: as all may
    [--name NAME] [--retention-days N] [--providers A,B] [--concurrent-runs N] [--requests-per-minute N]
    [--tokens-per-day N] [--usd-per-day X]
  argosy audit verify --tenant TENANT [--head HASH]      looks for changes in the log of what was done for a tenant
  argosy migrate [--wait-seconds N]                      brings the schema of ARGOSY_DATABASE_URL up to date
  argosy scale explain [POOL] [--last N]                 how large each pool of ARGOSY_DATABASE_URL shall be, and why
  argosy verify FOLDER | bundle.tar [--key KEY]          checks seal, files and quotations of a report, offline
  argosy inference inspect FOLDER                        a model's shapes and sizes, and which devices it fits
  argosy inference plan --gpus 2xA100-80 --model DIR     memory, tokens of context, agents, launch lines; --json
  argosy inference fetch --from URL|DIR --to DIR         a checkpoint onto a volume, once for all that share it
    [--sha256s FILE] [--rehash]
  argosy inference groups [--json]                       load and caches of the groups behind the server at hand
  argosy inference conform grpc:HOST:PORT [--drain]      whether a group keeps to the contract of inference groups
    [--device-gb 80] [--context N]
  argosy doctor [--json]                                 what would be used here, whether it works, and what to do

With ARGOSY_URL, or while npm run fleet runs on the data directory, commands talk to that server.
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
      return await runs(rest, async () => await serverAtHand(around), around.terminal);
    case 'keys':
      return await keys(rest, around.config, async () => await serverElsewhere(around), around.terminal);
    case 'secrets':
      return await secrets(rest, async () => await serverAtHand(around), around.input, around.terminal);
    case 'tenants':
      return await tenants(rest, around.config, around.terminal);
    case 'audit':
      return await audit(rest, around.config, around.terminal);
    case 'usage':
      return await usage(rest, around.config, async () => await serverAtHand(around), around.terminal);
    case 'verify':
      return await verify(rest, around.terminal);
    case 'migrate':
      return await migrate(rest, around.config, around.terminal);
    case 'scale':
      return await scale(rest, around.config, around.terminal);
    case 'inference':
      return await ofInference(rest, around);
    case 'doctor':
      return await examined(rest, around);
    case 'help':
    case '--help':
    case '-h':
      around.terminal.print(help);
      return exitCodes.ok;
    default:
      throw new InvalidInput([{ path: '', message: `there is no command ${JSON.stringify(name)}.\n\n${help}` }]);
  }
}

/** Of the groups that serve, a server tells; everything else is done here. */
async function ofInference(args: readonly string[], around: Surroundings): Promise<number> {
  const [action, ...rest] = args;
  if (action !== 'groups') return await inference(args, around.terminal);
  return await groups(rest, async () => await serverAtHand(around), around.terminal);
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
  return await research(command, await serverElsewhere(around), options, around.terminal);
}

/** `ARGOSY_URL`, else the fleet that runs on this data directory, else null: a server of our own will do. */
async function serverElsewhere({ remote, config, terminal }: Surroundings): Promise<RemoteServer | null> {
  if (remote !== null) return remote;
  const fleet = await runningFleet(config.ARGOSY_DATA_DIR);
  if (fleet !== null) terminal.progress.note(`using the fleet on ${fleet.url} (${config.ARGOSY_DATA_DIR}/fleet.json)`);
  return fleet;
}

/** The same; without one, a server of our own for as long as the command takes. */
async function serverAtHand(around: Surroundings): Promise<Connection> {
  return await connect(await serverElsewhere(around), { ...around, port: 0, model: null });
}

async function serve(args: readonly string[], around: Surroundings): Promise<number> {
  const { values, positionals } = parseFlags(args, { port: { type: 'string' }, model: { type: 'string' } });
  if (positionals.length > 0) throw new InvalidInput([{ path: '', message: 'serve takes no question' }]);
  const { config, terminal, writeLog } = around;
  if (config.ARGOSY_KEY_PEPPER !== undefined) throw new InvalidInput([noKeysHere]);
  const model = values.model === undefined ? null : parseModelSpec(values.model);
  const port = values.port === undefined ? config.ARGOSY_PORT : parsePort(values.port);
  let server: Embedded;
  let telemetry: Telemetry;
  try {
    const embedded = await import('./embedded.ts');
    telemetry = await startTelemetry('embedded', config, jsonLogger('argosy', config.ARGOSY_LOG_LEVEL, writeLog));
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
  await telemetry.stop(farewellMs);
  return exitCodes.ok;
}

/** For the last spans to be sent. */
const farewellMs = 1_500;

const noKeysHere = {
  path: 'ARGOSY_KEY_PEPPER',
  message: '`argosy serve` asks for no keys and serves this machine alone: leave it out, or run the gateway of a fleet',
};

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535 && text.trim() !== '') return port;
  throw new InvalidInput([{ path: '--port', message: 'needs a number from 0 to 65535' }]);
}

async function verify(args: readonly string[], { print }: Terminal): Promise<number> {
  const { values, positionals } = parseFlags(args, { key: { type: 'string' } });
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) {
    const message = 'give the folder of one report or its bundle.tar: argosy verify argosy-reports/run_...';
    throw new InvalidInput([{ path: 'verify', message }]);
  }
  const result = await verifyReport(path, values.key);
  if (!result.sound) {
    print(`NOT SOUND: ${result.fault}\n`);
    return exitCodes.failed;
  }
  const { claims, citations, snapshots, seal } = result;
  print(`sound: ${claims} claims, ${citations} citations, ${snapshots} snapshots checked\n`);
  print(`${seal === null ? unsealed : sealWords(seal, values.key !== undefined)}\n`);
  return exitCodes.ok;
}

const unsealed = 'unsigned: nothing shows who wrote it, or that nothing is left out';

/** A signature shows that whoever has the key sealed this; whose key it is, its reader must know. */
function sealWords({ fingerprint, createdAt }: Seal, asked: boolean): string {
  const hint = asked ? ', as --key demands' : '; to insist on a certain key, name it with --key';
  return `signed: the run ended at ${createdAt}, sealed with the key ${fingerprint}${hint}`;
}

/** Loaded only here: what it looks with needs most of the libs. */
async function examined(args: readonly string[], around: Surroundings): Promise<number> {
  const { config, describedConfig: settings, remote, terminal } = around;
  const fleet = remote === null ? await runningFleet(config.ARGOSY_DATA_DIR) : null;
  const server = remote?.url ?? (fleet === null ? 'embedded (ARGOSY_URL not set)' : `${fleet.url} (fleet.json)`);
  const { doctor } = await import('./doctor/doctor.ts');
  return await doctor(args, { config, settings, server }, terminal);
}
