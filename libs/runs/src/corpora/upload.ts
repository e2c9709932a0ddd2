import type { CorpusFile } from '#contracts';
import type { Depot } from '../objects/loose.ts';
import { Draft, nameFile } from './contents.ts';

/** Files whose hashes nobody announced. They count once their folder is offered; until then they are swept after an hour. */
export class Upload {
  readonly #depot: Depot;
  readonly #tenantId: string;
  readonly #received: { readonly file: CorpusFile; readonly draft: Draft }[] = [];

  constructor(depot: Depot, tenantId: string) {
    this.#depot = depot;
    this.#tenantId = tenantId;
  }

  /** What came so far, in order. */
  get files(): CorpusFile[] {
    return this.#received.map(({ file }) => file);
  }

  /** Stores a file as it comes, a part at a time. What breaks off is not kept. */
  async add(path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const draft = new Draft(this.#depot, this.#tenantId);
    try {
      const sha256 = await draft.fill(source);
      this.#received.push({ file: { path, sha256, bytes: draft.bytes }, draft });
    } catch (error) {
      await draft.drop().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Gives the files their names, for a corpus that is known; what the tenant has already is not kept twice. A file whose
   * turn has come is left to the sweep, should this break off: nobody knows then whether it has its name.
   */
  async settle(): Promise<void> {
    for (let next = this.#received.shift(); next !== undefined; next = this.#received.shift()) {
      const { file, draft } = next;
      const named = await nameFile(
        this.#depot.database,
        draft,
        { tenantId: this.#tenantId, sha256: file.sha256 },
        null,
      );
      if (!named) await draft.drop();
    }
  }

  /** Forgets what has no name yet. */
  async drop(): Promise<void> {
    for (const { draft } of this.#received) await draft.drop();
  }
}
