/** One process of a fleet that starts: opens the stores named by its arguments, says so, and leaves. */
import { writeSync } from 'node:fs';
import { openFleet } from '#runs';

/** What it says. */
export const opened = 'opened';

async function main(databaseUrl: string, redisUrl: string): Promise<void> {
  const { close } = await openFleet({ databaseUrl, redisUrl });
  writeSync(1, opened);
  await close();
}

// Imported, it only lends its words.
if (process.argv[1] === import.meta.filename) await main(process.argv[2] ?? '', process.argv[3] ?? '');
