import { InvalidInput, type Problem } from '#errors';
import type { Config } from '#platform';
import { exitCodes, type Terminal } from '../research.ts';
import { parseFlags } from '../research-options.ts';
import { type Check, examine, type Finding, fail, findingLines, ok, warn } from './finding.ts';
import { machineChecks } from './machine.ts';
import { networkChecks } from './network.ts';
import { storeChecks } from './stores.ts';

/** Longest look at one thing; all are looked at at once. Servers have a little less, to say why themselves. */
const limitMs = 5_000;
const serverMs = 4_000;

/** There is something that does not work. */
const unwell = 1;

/** What a doctor is told of the process. */
export interface Patient {
  readonly config: Config;
  /** Each setting as it is in force, secrets masked. */
  readonly settings: Readonly<Record<string, string>>;
  /** The server that commands talk to. */
  readonly server: string;
}

/** Looks at all that Argosy needs where it runs, and says what to do. @returns 0 without a fail, else 1 */
export async function doctor(args: readonly string[], patient: Patient, terminal: Terminal): Promise<number> {
  const asJson = flagsOf(args);
  const { config, settings, server } = patient;
  const checks: Check[] = [
    { about: 'roles', look: async () => rolesFindings(config) },
    ...storeChecks(config, serverMs),
    ...machineChecks(config),
    ...networkChecks(config),
  ];
  const findings = await examine(checks, limitMs);
  return report({ server, settings, findings }, terminal, asJson);
}

/** The same for a process that cannot even read its settings: nothing else can be looked at. */
export function refuseSettings(args: readonly string[], problems: readonly Problem[], terminal: Terminal): number {
  const findings = problems.map(({ path, message }) => {
    return fail(path, message, 'Correct it: with it, no process of Argosy starts.');
  });
  return report({ server: null, settings: {}, findings }, terminal, flagsOf(args));
}

/** @throws InvalidInput */
function flagsOf(args: readonly string[]): boolean {
  // `--quiet` is heeded by whoever shows progress.
  const { values, positionals } = parseFlags(args, { json: { type: 'boolean' }, quiet: { type: 'boolean' } });
  if (positionals.length > 0) throw new InvalidInput([{ path: 'doctor', message: 'takes --json and nothing else' }]);
  return values.json === true;
}

interface Told {
  readonly server: string | null;
  readonly settings: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
}

function report(told: Told, { print }: Terminal, asJson: boolean): number {
  const { server, settings, findings } = told;
  const healthy = findings.every(({ state }) => state !== 'fail');
  if (asJson) print(`${JSON.stringify({ healthy, ...told }, null, 2)}\n`);
  else {
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    print(`${server === null ? '' : `server ${server}\n`}${lines.join('')}\n${findingLines(findings)}`);
  }
  return healthy ? exitCodes.ok : unwell;
}

/** What the processes of a fleet would make of these settings, besides their stores. */
export function rolesFindings(config: Config): Finding[] {
  const inFleet = config.ARGOSY_DATABASE_URL !== undefined || config.ARGOSY_REDIS_URL !== undefined;
  if (!inFleet) return [ok('roles', 'one process: gateway, dispatcher, agent and tool worker side by side')];
  const { ARGOSY_KEY_PEPPER, ARGOSY_SEARCH_PROVIDERS, ARGOSY_SECRETS_KEY, ARGOSY_HOST } = config;
  const open = warn(
    'gateway',
    `asks for no keys, and so serves this machine alone (ARGOSY_HOST=${ARGOSY_HOST})`,
    'Set ARGOSY_KEY_PEPPER and create keys: argosy keys create.',
  );
  const sealed = warn(
    'gateway',
    'keeps no secrets of tenants: it has nothing to seal them with',
    'Set ARGOSY_SECRETS_KEY where tenants shall bring keys of search providers.',
  );
  const blind = warn(
    'tool worker',
    'asks no search provider',
    'Name those that runs may ask in ARGOSY_SEARCH_PROVIDERS, of the gateway and the tool workers.',
  );
  const found = [
    ...(ARGOSY_KEY_PEPPER === undefined ? [open] : []),
    ...(ARGOSY_SECRETS_KEY === undefined ? [sealed] : []),
    ...(ARGOSY_SEARCH_PROVIDERS === undefined ? [blind] : []),
  ];
  return found.length === 0 ? [ok('roles', 'a fleet: gateway, dispatcher, agent and tool workers')] : found;
}
