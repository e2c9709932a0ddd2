/** `npm run check [-- --only <name>]...`: the static checks. All of them run, whatever fails. */
import { parseArgs } from 'node:util';
import { checkNames, runChecks } from './checks.mjs';
import { closingLine } from './jest-groups.mjs';

function chosen() {
  const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } });
  const unknown = (values.only ?? []).filter((name) => !checkNames.includes(name));
  if (unknown.length > 0)
    throw new Error(`no check is called ${unknown.join(', ')}; there are ${checkNames.join(', ')}`);
  return values.only ?? checkNames;
}

try {
  const { passed, failed } = await runChecks(chosen());
  process.stdout.write(`${closingLine({ passed, failed, skipped: 0 })}\n`);
  process.exitCode = failed > 0 ? 1 : 0;
} catch (error) {
  process.stderr.write(`argosy: ${error.message}\n`);
  process.exitCode = 2;
}
