import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '../setup/fault.mjs';

/**
 * The data directory, which one fleet at a time holds and in which it says where it serves.
 * The lock is an exclusive SQLite transaction, that is a lock of the operating system: it ends with this process.
 */
export class Place {
  #folder;
  #lock;

  constructor(folder, lock) {
    this.#folder = folder;
    this.#lock = lock;
  }

  /**
   * @param {string} folder made where it is missing
   * @throws {Fault} with exit code 2 when another fleet holds it or it cannot be written
   */
  static hold(folder) {
    const advice = 'name another with ARGOSY_DATA_DIR';
    try {
      mkdirSync(folder, { recursive: true });
      const lock = new DatabaseSync(path.join(folder, 'fleet-lock.sqlite'), { timeout: 0 });
      lock.exec('BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (by TEXT);');
      return new Place(folder, lock);
    } catch (error) {
      if (/locked|busy/i.test(error.message)) {
        const { url, pid } = read(folder);
        const who = pid === undefined ? '' : ` (process ${pid}, ${url})`;
        throw new Fault(`another fleet${who} uses the data directory ${folder}: end it, or ${advice}.`, 2);
      }
      throw new Fault(`the data directory ${folder} cannot be written (${error.message}): ${advice}.`, 2);
    }
  }

  /** Where the command line looks for a fleet. */
  get file() {
    return fileIn(this.#folder);
  }

  /**
   * Tells the command line where to find the fleet.
   * @param {string} url
   * @param {string} key lets it in
   */
  announce(url, key) {
    const draft = `${this.file}.new`;
    rmSync(draft, { force: true });
    writeFileSync(draft, `${JSON.stringify({ url, pid: process.pid, key })}\n`, { mode: 0o600 });
    renameSync(draft, this.file);
  }

  withdraw() {
    rmSync(this.file, { force: true });
  }

  release() {
    this.withdraw();
    this.#lock.close();
  }
}

const fileIn = (folder) => path.join(folder, 'fleet.json');

function read(folder) {
  try {
    return JSON.parse(readFileSync(fileIn(folder), 'utf8'));
  } catch {
    return {};
  }
}
