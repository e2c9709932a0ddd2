/** One writer at a time for a volume that several machines share, by a file on it. */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DeadlineExceeded } from '#errors';

const lockFile = '.argosy-weights.lock';

export interface LockTimes {
  /** Between two signs of life of the holder. */
  readonly beatMs: number;
  /** A holder whose signs of life stop for so long, by the clock of who waits, is dead. */
  readonly deadMs: number;
  /** Longest wait for the lock. */
  readonly patienceMs: number;
}

export const usualLockTimes: LockTimes = { beatMs: 5_000, deadMs: 60_000, patienceMs: 4 * 3_600_000 };

export class VolumeLock {
  readonly #path: string;
  readonly #me: string;
  readonly #beating = new AbortController();
  readonly #lost = new AbortController();

  private constructor(path: string, me: string, beatMs: number) {
    this.#path = path;
    this.#me = me;
    void this.#beat(beatMs);
  }

  /**
   * Clocks of machines are not compared: a holder lives as long as the file changes.
   * @param waiting is told once that another one holds it
   * @returns the lock; null when `isDone` came to hold while another one had it
   * @throws DeadlineExceeded when it is not had in time
   */
  static async take(volume: string, times: LockTimes, wait: LockWait): Promise<VolumeLock | null> {
    const path = join(volume, lockFile);
    const me = randomUUID();
    const endsAt = performance.now() + times.patienceMs;
    let [seen, since, told] = ['', performance.now(), false];
    for (;;) {
      if (await created(path, `${me} 0`)) return new VolumeLock(path, me, times.beatMs);
      if (!told) wait.waiting();
      told = true;
      const now = await readFile(path, 'utf8').catch(() => '');
      if (now !== seen) [seen, since] = [now, performance.now()];
      else if (performance.now() - since > times.deadMs) await breakLock(path, seen, me);
      if (performance.now() > endsAt) throw new DeadlineExceeded(`the writer that holds ${path}`, times.patienceMs);
      await pause(times.beatMs, undefined, { signal: wait.signal });
      if (await wait.isDone()) return null;
    }
  }

  /** Fires when another one has taken the lock: its holder must write nothing more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    this.#beating.abort();
    if (await this.#isMine()) await rm(this.#path, { force: true });
  }

  async #beat(beatMs: number): Promise<void> {
    const { signal } = this.#beating;
    for (let beat = 1; !signal.aborted; beat++) {
      await pause(beatMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (!(await this.#isMine())) return this.#lost.abort();
      await writeFile(this.#path, `${this.#me} ${beat}`, { flag: 'r+' }).catch(() => this.#lost.abort());
    }
  }

  async #isMine(): Promise<boolean> {
    const now = await readFile(this.#path, 'utf8').catch(() => '');
    return now.startsWith(this.#me);
  }
}

export interface LockWait {
  waiting(): void;
  isDone(): Promise<boolean>;
  readonly signal: AbortSignal;
}

async function created(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o644);
    await file.writeFile(text);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Of several that find it dead one moves it away; one that moved away a living lock puts it back. */
async function breakLock(path: string, dead: string, me: string): Promise<void> {
  const aside = `${path}.${me}`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  const text = await readFile(aside, 'utf8').catch(() => '');
  if (text !== dead) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
