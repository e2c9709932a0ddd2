import { runChild } from '../setup/child.mjs';
import { Fault } from '../setup/fault.mjs';
import { inRoot, root } from '../setup/paths.mjs';

/**
 * Every instrument of the sources, by name: what docs/metrics.md and the queries of rules and dashboards go by.
 * @returns {Promise<{ name: string, kind: 'counter' | 'gauge' | 'histogram', description: string, roles: string[],
 *   labels: Record<string, string[] | { of: string, most: number }> }[]>} no roles: every one
 */
export async function readInstruments() {
  const script = inRoot('scripts', 'monitoring', 'print-instruments.mjs');
  const args = ['--conditions=source', '--disable-warning=ExperimentalWarning', script];
  const { exitCode, output } = await runChild(process.execPath, args, {
    cwd: root,
    output: 'collect',
    deadlineMs: 60_000,
  });
  if (exitCode !== 0) throw new Fault(`The instruments could not be read.\n${output}`);
  return JSON.parse(output);
}
