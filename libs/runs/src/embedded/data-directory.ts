import { mkdirSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ArgosyError, InvalidInput, messageOf } from '#errors';

/** Another process holds the data directory. */
export class DataDirectoryBusy extends ArgosyError {
  override readonly name = 'DataDirectoryBusy';
  readonly code = 'data_directory_busy';
  readonly retryable = true;
  constructor(path: string) {
    super(`Another Argosy process is using the data directory ${path}.`);
  }
}

/**
 * An embedded server's folder, held by one process at a time.
 * The lock is an exclusive SQLite transaction, that is a lock of the operating system on a file: it ends with the
 * process however that ends, so nothing stale is ever left behind.
 */
export class DataDirectory {
  readonly path: string;
  readonly #lock: DatabaseSync;

  private constructor(path: string, lock: DatabaseSync) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Creates the folder where needed and takes hold of it.
   * @throws DataDirectoryBusy while another process holds it; InvalidInput when it cannot be written
   */
  static hold(path: string): DataDirectory {
    let lock: DatabaseSync;
    try {
      mkdirSync(path, { recursive: true });
      lock = new DatabaseSync(join(path, 'lock.sqlite'), { timeout: 0 });
    } catch (cause) {
      throw unusable(path, cause);
    }
    try {
      lock.exec('BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (by TEXT);');
    } catch (cause) {
      lock.close();
      if (/locked|busy/i.test(messageOf(cause))) throw new DataDirectoryBusy(path);
      throw unusable(path, cause);
    }
    return new DataDirectory(path, lock);
  }

  /** Tells later processes where this one can be reached. */
  async announce(url: string): Promise<void> {
    const draft = join(this.path, 'server.json.new');
    await writeFile(draft, JSON.stringify({ url, pid: process.pid }));
    await rename(draft, serverFile(this.path));
  }

  async release(): Promise<void> {
    await rm(serverFile(this.path), { force: true });
    this.#lock.exec('ROLLBACK');
    this.#lock.close();
  }
}

/** Where the process that holds a data directory can be reached, or null while it is starting or gone. */
export async function announcedServer(path: string): Promise<string | null> {
  try {
    const { url } = JSON.parse(await readFile(serverFile(path), 'utf8')) as { url?: unknown };
    return typeof url === 'string' ? url : null;
  } catch {
    // Absent or half-written: the holder has not announced itself yet. The caller asks again until its deadline.
    return null;
  }
}

function serverFile(path: string): string {
  return join(path, 'server.json');
}

function unusable(path: string, cause: unknown): InvalidInput {
  const message = `the data directory cannot be written (${messageOf(cause)}). Free space or permissions there, or name another with ARGOSY_DATA_DIR`;
  return new InvalidInput([{ path, message }], { cause });
}
