import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Client } from './client.ts';
import type { RemoteServer } from './connection.ts';

/** What `npm run fleet` writes into its data directory while it runs. */
const fleetFile = z.object({
  url: z.url({ protocol: /^https?$/ }),
  pid: z.number().int().positive(),
  /** Lets its reader in, which is the user who started the fleet. */
  key: z.string().optional(),
});

/** How long one probe of a fleet may take, and how long its gateway may be away, as when it is being started again. */
const fleetAnswerMs = 2_000;
const fleetLimitMs = 10_000;

/**
 * The fleet that runs on a data directory and answers.
 * @returns null when there is none: also for a file that a killed fleet left behind
 */
export async function runningFleet(dataDir: string): Promise<RemoteServer | null> {
  const giveUpAt = performance.now() + fleetLimitMs;
  do {
    const written = await readFleetFile(dataDir);
    if (written === null || !isAlive(written.pid)) return null;
    const { url, key } = written;
    if (await new Client(url).answers(fleetAnswerMs)) return { url, ...(key === undefined ? {} : { apiKey: key }) };
    await sleep(250);
  } while (performance.now() < giveUpAt);
  return null;
}

async function readFleetFile(dataDir: string): Promise<z.infer<typeof fleetFile> | null> {
  try {
    return fleetFile.parse(JSON.parse(await readFile(join(dataDir, 'fleet.json'), 'utf8')));
  } catch {
    // Absent, or nothing that a fleet of this version wrote.
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as { code?: unknown } | null)?.code === 'EPERM';
  }
}
