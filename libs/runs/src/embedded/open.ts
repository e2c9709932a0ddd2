import { join } from 'node:path';
import { LocalBus } from '../bus.ts';
import { LocalTail } from '../deltas.ts';
import { BullmqDoorbell, embeddedBackend } from '../doorbell/bullmq-doorbell.ts';
import { endAllClaims } from '../evidence/entries.ts';
import { Evidence } from '../evidence/evidence.ts';
import { LocalGate } from '../pace/local-gate.ts';
import { Pacing } from '../pace/pacing.ts';
import { Runs } from '../runs.ts';
import { type SecretSettings, Secrets } from '../secrets/secrets.ts';
import { LocalSessions, type Sessions } from '../sessions.ts';
import { embeddedSettings, type RunsSettings } from '../settings.ts';
import { migrate } from '../store/migrate.ts';
import { endAllLeases } from '../store/workers.ts';
import type { DataDirectory } from './data-directory.ts';
import { PgliteDatabase } from './pglite-database.ts';

/** The whole runs library in one process, on a data directory that this process holds. */
export interface EmbeddedRuns {
  readonly runs: Runs;
  /** Turns at hosts and providers. */
  readonly pace: Pacing;
  /** Where the sessions of models have their homes. */
  readonly sessions: Sessions;
  /** What was looked up already. */
  readonly evidence: Evidence;
  /** What is to be used for its tenant alone; close it before the stores. */
  secrets(settings: SecretSettings): Secrets;
  close(): Promise<void>;
}

/**
 * Opens database and queues inside the data directory, creating them where needed (about 4 s the first time, under
 * 1 s afterwards). Leases and claims of an earlier process are ended: holding the directory proves that it is gone.
 * @throws DatabaseUnusable, SchemaTooNew
 */
export async function openEmbedded(
  directory: DataDirectory,
  settings: RunsSettings = embeddedSettings,
): Promise<EmbeddedRuns> {
  const database = await PgliteDatabase.open(join(directory.path, 'postgres'));
  try {
    await migrate(database);
    await endAllLeases(database);
    await endAllClaims(database);
    const doorbell = new BullmqDoorbell(await embeddedBackend(database));
    const bus = new LocalBus();
    const runs = new Runs({ database, doorbell, bus, tail: new LocalTail() }, settings);
    const pace = new Pacing(new LocalGate(() => Date.now()), bus);
    const evidence = new Evidence(database, bus, { pollMs: settings.pollMs });
    const close = async (): Promise<void> => {
      await evidence.close();
      await doorbell.close();
      await database.close();
    };
    const secrets = (kept: SecretSettings): Secrets => new Secrets(database, bus, kept);
    const sessions = new LocalSessions(() => performance.now());
    return { runs, pace, sessions, evidence, secrets, close };
  } catch (error) {
    await database.close();
    throw error;
  }
}
