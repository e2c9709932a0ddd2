import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { runChild, throwIfInterrupted } from '../setup/child.mjs';
import { announced, explain, say } from '../setup/fault.mjs';

const deadlineMs = 10 * 60_000;

/** Asked by Debian's packages before they start or stop a service; 101 means that they must not. */
const servicePolicy = '/usr/sbin/policy-rc.d';

/** Whether packages may be installed without asking anybody: root on Debian, and not forbidden. */
export function canInstall() {
  return process.env.ARGOSY_NO_INSTALL !== '1' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/**
 * Installs Debian packages after saying which. Asks nothing; the system's services are neither started nor stopped.
 * @param {string[]} names
 */
export async function aptInstall(names) {
  const packages = await plan(names);
  say(`apt-get will install ${packages.length} packages: ${packages.join(' ')}`);
  const ours = !existsSync(servicePolicy);
  if (ours)
    writeFileSync(servicePolicy, '#!/bin/sh\n# Left by an interrupted Argosy: delete.\nexit 101\n', { mode: 0o755 });
  try {
    await announced(`installing ${names.join(' and ')}`, () => apt(['install', '-y', ...names]));
  } finally {
    if (ours) rmSync(servicePolicy, { force: true });
  }
}

/** What would be installed; the package lists of a fresh machine are empty and are fetched first. */
async function plan(names) {
  const simulate = () => apt(['install', '--simulate', ...names]);
  const output = await simulate().catch(async () => {
    await announced('fetching the package lists', () => apt(['update']));
    return simulate();
  });
  return [...output.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);
}

async function apt(args) {
  const options = ['-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'];
  const result = await runChild('/usr/bin/apt-get', [...options, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    output: 'collect',
    deadlineMs,
  });
  throwIfInterrupted(result);
  if (result.exitCode !== 0) throw explain(`apt-get ${args[0]}`, lastLines(result.output));
  return result.output;
}

/** What went wrong stands at the end. */
function lastLines(output) {
  const lines = output.trim().split('\n');
  const errors = lines.filter((line) => line.startsWith('E:'));
  return (errors.length > 0 ? errors : lines.slice(-3)).join('\n');
}
