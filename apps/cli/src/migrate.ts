import { setTimeout as pause } from 'node:timers/promises';
import { InvalidInput, messageOf, Unavailable } from '#errors';
import type { Config } from '#platform';
import { migrateFleet } from '#runs';
import { databaseOf } from './keys.ts';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

const mostWaitSeconds = 3_600;
/** How long one try waits for the database; the next comes after `retryMs`. */
const connectMs = 3_000;
const retryMs = 2_000;

/**
 * Brings the schema of the database up to date, for fleets whose processes wait for that.
 * @throws InvalidInput; Unavailable when the database is not there in time; RolesMissing, SchemaTooNew
 */
export async function migrate(args: readonly string[], config: Config, terminal: Terminal): Promise<number> {
  const { values, positionals } = parseFlags(args, { 'wait-seconds': { type: 'string' } });
  if (positionals.length > 0) throw new InvalidInput([{ path: 'migrate', message: 'takes --wait-seconds N alone' }]);
  const waitSeconds = Number(values['wait-seconds'] ?? 0);
  if (!Number.isInteger(waitSeconds) || waitSeconds < 0 || waitSeconds > mostWaitSeconds) {
    throw new InvalidInput([{ path: '--wait-seconds', message: `needs a number from 0 to ${mostWaitSeconds}` }]);
  }
  const databaseUrl = databaseOf(config);
  const deadline = performance.now() + waitSeconds * 1_000;
  for (;;) {
    try {
      const { from, to } = await migrateFleet(databaseUrl, connectMs);
      terminal.print(
        from === to ? `The schema is at version ${to} already.\n` : `The schema went from version ${from} to ${to}.\n`,
      );
      return exitCodes.ok;
    } catch (error) {
      if (!(error instanceof Unavailable) || performance.now() > deadline) throw error;
      terminal.progress.note(`${messageOf(error)} Trying again.`);
      await pause(retryMs, undefined, { signal: terminal.interrupted }).catch(() => undefined);
      if (terminal.interrupted.aborted) throw error;
    }
  }
}
