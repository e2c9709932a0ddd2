import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Short, as is the name of the owner's file apart from it: the paths of Chromium's sockets below may have 107 bytes. */
const PREFIX = 'argosy-browser-';
const OWNER = 'argosy-owner.json';

/** Whose a profile is. `mark` tells a process from the one before, which had its number in the same container. */
interface Owner {
  readonly host: string;
  readonly pid: number;
  readonly mark: string;
}

const me: Owner = { host: hostname(), pid: process.pid, mark: randomUUID() };

/** A new folder for the profile of a browser, which says whose it is. */
export async function newProfile(folder: string): Promise<string> {
  const profile = await mkdtemp(join(folder, PREFIX));
  await writeFile(join(profile, OWNER), JSON.stringify(me));
  return profile;
}

/** Takes away the profiles that processes of this machine left behind when they were killed. */
export async function sweepProfiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(PREFIX)) continue;
    const profile = join(folder, name);
    const owner = await ownerOf(profile);
    // Of another user, perhaps; then it is not ours to remove.
    if (owner && isGone(owner)) await rm(profile, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Null where nobody says so. */
async function ownerOf(profile: string): Promise<Owner | null> {
  try {
    return JSON.parse(await readFile(join(profile, OWNER), 'utf8')) as Owner; // written above
  } catch {
    return null;
  }
}

function isGone({ host, pid, mark }: Owner): boolean {
  if (host !== me.host || mark === me.mark) return false;
  if (pid === me.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // One that is there and not ours may not be asked.
    return (error as NodeJS.ErrnoException).code === 'ESRCH'; // what kill throws
  }
}
