import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InvalidInput, messageOf } from '#errors';
import { isPlainName, type Opened, type Resume, type Source } from './source.ts';

/** Files of a folder on this machine, such as a mount. */
export class FolderSource implements Source {
  readonly name: string;

  constructor(folder: string) {
    this.name = resolve(folder);
  }

  /** @throws InvalidInput for a folder that cannot be read */
  async list(): Promise<readonly string[]> {
    try {
      const entries = await readdir(this.name, { withFileTypes: true });
      const files = await Promise.all(entries.map(async ({ name }) => ((await this.#isFile(name)) ? [name] : [])));
      return files.flat().filter(isPlainName).toSorted();
    } catch (error) {
      throw new InvalidInput([{ path: '--from', message: `cannot be read: ${messageOf(error)}` }], { cause: error });
    }
  }

  async size(file: string): Promise<number> {
    return (await this.#stat(file)).size;
  }

  async open(file: string, { start, tag }: Resume, signal: AbortSignal): Promise<Opened> {
    const { size, mtimeMs } = await this.#stat(file);
    const now = `${size}-${mtimeMs}`;
    const from = tag === now ? start : 0;
    return { start: from, size, tag: now, bytes: createReadStream(join(this.name, file), { start: from, signal }) };
  }

  /** Links are followed: caches of models are made of them. */
  async #isFile(name: string): Promise<boolean> {
    return await stat(join(this.name, name)).then(
      (found) => found.isFile(),
      () => false,
    );
  }

  async #stat(file: string) {
    return await stat(join(this.name, file)).catch((error: unknown) => {
      throw new InvalidInput([{ path: file, message: `is not in ${this.name} (${messageOf(error)})` }], {
        cause: error,
      });
    });
  }
}
