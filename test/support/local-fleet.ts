/** `npm run fleet` for tests: with servers of its own, on free ports, in a folder that its command lines find it by. */
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { type Launch, launch, type Running } from './argosy.ts';
import { canOwnServers } from './servers.ts';

const script = join(import.meta.dirname, '..', '..', 'scripts', 'tasks', 'fleet.mjs');

export const canRunFleet = canOwnServers;

/** A block of tests that a fleet is started for; skipped, with its reason, where none can be. */
export function describeFleet(name: string, tests: () => void): void {
  if (canRunFleet) describe(name, tests);
  else describe.skip(`${name} [needs Redis and PostgreSQL here]`, tests);
}

export interface FleetLaunch extends Pick<Launch, 'cwd' | 'env'> {
  /** Options of `npm run fleet`. */
  readonly args?: readonly string[];
}

/** Starts one on the data directory `<cwd>/.argosy`, and does not wait for it. */
export function launchFleet({ cwd, args = [], env = {} }: FleetLaunch): Running {
  return launch(['--port', '0', ...args], { cwd, env: { ARGOSY_DATA_DIR: join(cwd, '.argosy'), ...env }, script });
}

/** A fleet that is ready. */
export async function startFleet(options: FleetLaunch): Promise<Running> {
  const fleet = launchFleet(options);
  await fleet.said(/the fleet is ready on/);
  return fleet;
}

/** Where a fleet says how it is reached. */
export function fleetFileOf(cwd: string): string {
  return join(cwd, '.argosy', 'fleet.json');
}
