/**
 * `npm test`: static checks, then the jest projects. `npm test -- unit integration` runs only these groups (`check` is
 * one too); everything else goes to jest, as in `npm test -- unit libs/domain` or `npm test -- -t 'stops on'`.
 * The last line is `N passed, N failed`, with `, N skipped` when there are any; each static check counts as one test.
 */
import { checkNames, runChecks } from './checks.mjs';
import { closingLine, groupNames, runGroup } from './jest-groups.mjs';

/** Words before the first that is no group name choose groups; with none, arguments for jest mean the jest groups. */
function choose(args) {
  const known = ['check', ...groupNames];
  const end = args.findIndex((arg) => !known.includes(arg));
  const named = end === -1 ? args : args.slice(0, end);
  const rest = end === -1 ? [] : args.slice(end);
  if (named.length > 0) return { chosen: known.filter((name) => named.includes(name)), rest };
  return { chosen: rest.length > 0 ? groupNames : known, rest };
}

const total = { passed: 0, failed: 0, skipped: 0 };

async function runAndPrint(name, rest) {
  const startedAt = performance.now();
  const tally = {
    skipped: 0,
    skips: [],
    ...(name === 'check' ? await runChecks(checkNames) : await runGroup(name, rest)),
  };
  for (const key of Object.keys(total)) total[key] += tally[key];
  // With -t every other test is a skip.
  const byName = rest.some((arg) => /^(-t|--testNamePattern)/.test(arg));
  for (const skip of byName ? [] : tally.skips) process.stdout.write(`skipped: ${skip}\n`);
  process.stdout.write(`${name}: ${closingLine(tally)} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)\n\n`);
}

try {
  const { chosen, rest } = choose(process.argv.slice(2));
  for (const name of chosen) await runAndPrint(name, rest);
  if (rest.length > 0 && total.passed + total.failed + total.skipped === 0) {
    process.stdout.write(`no test fits ${rest.join(' ')}\n`);
    total.failed = 1;
  }
} catch (error) {
  process.stdout.write(`${error.message}\n`);
  total.failed += 1;
}
process.stdout.write(`${closingLine(total)}\n`);
process.exitCode = total.failed > 0 ? 1 : 0;
