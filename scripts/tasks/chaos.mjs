/**
 * `npm run chaos [-- --rounds N --seed N] [arguments for jest]`: the long fault-injection suite. The scenarios are those of
 * `npm test`, each played several times with other chances; `--seed` repeats the chances of an earlier run, whose seed
 * stands in the names of its tests.
 */
import { parseArgs } from 'node:util';
import { closingLine, runGroup } from './jest-groups.mjs';

const defaultRounds = 10;

/** @returns {number} a whole number from 1 on @throws {Error} for anything else */
function whole(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text} is not a whole number from 1 on`);
  return value;
}

/** Ours are taken out; everything else goes to jest. */
function readArguments(args) {
  const options = { rounds: { type: 'string' }, seed: { type: 'string' } };
  const { values, tokens } = parseArgs({ args, options, strict: false, tokens: true });
  const ours = new Set();
  for (const token of tokens) {
    if (token.kind !== 'option' || !Object.hasOwn(options, token.name)) continue;
    ours.add(token.index);
    if (!token.inlineValue) ours.add(token.index + 1);
  }
  return { values, rest: args.filter((_, index) => !ours.has(index)) };
}

try {
  const { values, rest } = readArguments(process.argv.slice(2));
  // The processes of jest inherit them.
  process.env.CHAOS_ROUNDS = String(whole('rounds', values.rounds ?? defaultRounds));
  if (values.seed !== undefined) process.env.CHAOS_SEED = String(whole('seed', values.seed));
  const tally = await runGroup('chaos', rest);
  // With -t every other test is a skip.
  const byName = rest.some((arg) => /^(-t|--testNamePattern)/.test(arg));
  for (const skip of byName ? [] : tally.skips) process.stdout.write(`skipped: ${skip}\n`);
  process.stdout.write(`${closingLine(tally)}\n`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
} catch (error) {
  process.stderr.write(`argosy: ${error.message}\n`);
  process.exitCode = 2;
}
