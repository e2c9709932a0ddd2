import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { providePrometheus } from '../servers/prometheus.mjs';
import { build, buildReady } from '../setup/build.mjs';
import { runChild } from '../setup/child.mjs';
import { buildConsole, consoleReady } from '../setup/console.mjs';
import { withSetupLock } from '../setup/lock.mjs';
import { inRoot, root } from '../setup/paths.mjs';

async function buildDist() {
  if (!buildReady()) await withSetupLock(() => build(process.execPath));
}

async function buildSite() {
  if (!consoleReady()) await withSetupLock(() => buildConsole(process.execPath));
}

/**
 * The jest projects in the order in which they run. `prepare` makes what a group needs on a bare machine, in order:
 * servers that a group needs (Redis, Postgres) are found, started or installed by a step here.
 */
const groups = {
  // Left to itself, jest keeps one of two cores for whoever watches.
  unit: { prepare: [], args: ['--maxWorkers=2'] },
  integration: { prepare: [], args: ['--maxWorkers=2'] },
  chaos: { prepare: [buildDist], args: ['--maxWorkers=2'] },
  e2e: { prepare: [buildDist, buildSite, providePrometheus], args: ['--maxWorkers=2'] },
  kubernetes: { prepare: [], args: ['--runInBand'] },
};

/** Those of `npm test`; `npm run test:k8s` prepares more than a step here can. */
export const groupNames = Object.keys(groups).filter((name) => name !== 'kubernetes');

/** @typedef {{ passed: number, failed: number, skipped: number }} Tally */

/**
 * Runs one jest project.
 * @param {string} name
 * @param {string[]} args more for jest
 * @returns {Promise<Tally & { skips: string[] }>} a file that cannot be loaded counts as one failure
 */
export async function runGroup(name, args) {
  const { prepare, args: own } = groups[name];
  for (const step of prepare) await step();
  const outcome = inRoot('.argosy', 'test', `${name}.json`);
  mkdirSync(inRoot('.argosy', 'test'), { recursive: true });
  rmSync(outcome, { force: true });
  const jest = inRoot('node_modules', 'jest', 'bin', 'jest.js');
  const report = ['--json', `--outputFile=${outcome}`, '--passWithNoTests'];
  const { exitCode, interrupted } = await runChild(
    process.execPath,
    [jest, '--selectProjects', name, ...own, ...report, ...args],
    { cwd: root, env: environment(), output: 'stderr-only' },
  );
  if (interrupted) throw new Error(`${name} was interrupted`);
  return tallyOf(name, outcome, exitCode);
}

function environment() {
  const options = [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  // Jest itself leaves a NODE_ENV of the user's shell as it is.
  return { ...process.env, NODE_ENV: 'test', NODE_OPTIONS: options.filter(Boolean).join(' ') };
}

function tallyOf(name, outcome, exitCode) {
  const report = read(outcome);
  if (report === undefined) {
    process.stdout.write(`${name}: jest ended with code ${exitCode} before it ran a test\n`);
    return { passed: 0, failed: 1, skipped: 0, skips: [] };
  }
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  const skips = report.testResults
    .flatMap((suite) => suite.assertionResults)
    .filter((test) => test.status === 'pending' || test.status === 'todo')
    .map((test) => test.fullName);
  // Jest may fail with no failed test (a setting, an unmet threshold); that is not a pass.
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: skips.length,
    skips,
  };
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {Tally} tally */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
