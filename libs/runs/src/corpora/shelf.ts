import type { CorpusFile } from '#contracts';
import { InvalidInput, messageOf, NotFound, Unavailable } from '#errors';
import type { Answering, Ring } from '../doorbell/doorbell.ts';
import type { Membership } from '../membership.ts';
import type { Depot } from '../objects/loose.ts';
import { type AnswerSettings, answerOptions, type Core, ringOrLose } from '../ports.ts';
import type { Statements } from '../store/database.ts';
import type { Removal } from '../store/forget.ts';
import { whileHeld } from '../while-held.ts';
import { Draft, putFile, readContent, sweepContents } from './contents.ts';
import { copyFiles } from './copies.ts';
import {
  type CorpusClaim,
  claimCorpus,
  type DueCorpus,
  failCorpus,
  failHopeless,
  findSegment,
  keepSegment,
  rebuildSegment,
  releaseCorpus,
  type StoredSegment,
  takeStrandedCorpora,
} from './indexing.ts';
import {
  addCorpus,
  beginIndexing,
  type CorpusKey,
  type CorpusView,
  corpusFaults,
  corpusIdOf,
  findFile,
  forgetCorpus,
  getCorpus,
  knownCorpora,
  listCorpora,
  missingFiles,
} from './records.ts';
import { Upload } from './upload.ts';

/** An index that was built and is to be stored. */
export interface BuiltSegment extends Omit<StoredSegment, 'contentId' | 'sha256'> {
  readonly source: AsyncIterable<Uint8Array>;
}

/** Reads in a claimed corpus and stores its index. `signal` fires when the worker must stop. */
export type IndexCorpus = (claim: CorpusClaim, signal: AbortSignal) => Promise<void>;

/** A stored index: read `parts` in order and check them against the hash. */
export interface Segment {
  readonly sha256: string;
  readonly parts: AsyncIterable<Uint8Array>;
}

/** A corpus, and while it is uploading the hashes that are to be sent, at most 10,000. */
export interface OfferedCorpus extends CorpusView {
  readonly missing: readonly string[];
}

type ShelfCore = Pick<Core, 'database' | 'objects' | 'doorbell' | 'settings'>;

/** Folders that clients uploaded: their files by hash, and the index of each, which tool workers make and open. */
export class CorpusShelf {
  readonly #core: ShelfCore;

  constructor(core: ShelfCore) {
    this.#core = core;
  }

  /**
   * Makes a folder known, or finds it; once nothing of it is missing, it is indexed.
   * @param sent files that came before their folder was known
   */
  async offer(tenantId: string, name: string, files: readonly CorpusFile[], sent?: Upload): Promise<OfferedCorpus> {
    const key = { tenantId, corpusId: corpusIdOf(tenantId, name, files) };
    await addCorpus(this.#door(tenantId), key, name, files);
    await sent?.settle();
    const rings = await beginIndexing(this.#door(tenantId), key);
    if (rings !== null) await this.#ring({ ...key, rings });
    return await this.get(tenantId, key.corpusId);
  }

  /** For files that come before their folder is known. */
  upload(tenantId: string): Upload {
    return new Upload(this.#depot(tenantId), tenantId);
  }

  /** @throws NotFound */
  async get(tenantId: string, corpusId: string): Promise<OfferedCorpus> {
    const key = { tenantId, corpusId };
    const corpus = await getCorpus(this.#door(tenantId), key);
    if (corpus === null) throw new NotFound(`There is no corpus ${corpusId}.`);
    const missing = corpus.status === 'uploading' ? await missingFiles(this.#door(tenantId), key) : [];
    return { ...corpus, missing };
  }

  /** Removes a corpus with its index, and its files but for those that another corpus names. @throws NotFound */
  async forget(corpus: CorpusKey & Removal): Promise<void> {
    if (await forgetCorpus(this.#door(corpus.tenantId), corpus)) return;
    throw new NotFound(`There is no corpus ${corpus.corpusId}.`);
  }

  /** Why runs cannot search some of these corpora, by id; one that they can is left out. */
  async faults(tenantId: string, ids: readonly string[]): Promise<Map<string, string>> {
    return await corpusFaults(this.#door(tenantId), tenantId, ids);
  }

  /** Newest first. @param before id of the last one of the page before */
  async list(tenantId: string, before: string | null, limit: number): Promise<CorpusView[]> {
    return await listCorpora(this.#door(tenantId), tenantId, before, limit);
  }

  /**
   * Stores a file that a corpus of the tenant has, a part at a time. One that is here already is not read.
   * @throws NotFound when no corpus has it; HashMismatch
   */
  async putFile(tenantId: string, sha256: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const known = await findFile(this.#door(tenantId), tenantId, sha256);
    if (known === null) throw new NotFound(`No corpus has a file ${sha256}: name it in POST /v1/corpora first.`);
    if (!known.stored) await putFile(this.#depot(tenantId), { tenantId, sha256 }, known.bytes, source);
  }

  /**
   * Answers corpus rings: each corpus is claimed first. What `index` throws as InvalidInput ends the corpus with that
   * reason; after any other fault, or the death of the worker, it is begun again, three times in all.
   */
  async answer(member: Membership, settings: AnswerSettings, index: IndexCorpus): Promise<Answering> {
    const answer = async ({ tenantId, runId: corpusId }: Ring, closing: AbortSignal): Promise<void> => {
      const claim = await claimCorpus(this.#core.database, { tenantId, corpusId }, member.workerId);
      if (claim !== null) await this.#index(claim, index, { closing, lost: member.lost });
    };
    return await this.#core.doorbell.answer('corpora', answer, answerOptions(this.#core, settings));
  }

  /** Writes the files of a claimed corpus into a folder, each under its hash. @returns what they are called */
  async copyFiles(claim: CorpusClaim, folder: string, signal: AbortSignal): Promise<CorpusFile[]> {
    return await copyFiles(this.#core, claim, folder, signal);
  }

  /** Stores an index and makes its corpus ready. @returns false when the corpus has another worker now */
  async keep(claim: CorpusClaim, { source, ...segment }: BuiltSegment): Promise<boolean> {
    const draft = new Draft(this.#core, claim.tenantId);
    try {
      const sha256 = await draft.fill(source);
      const kept = await keepSegment(this.#core.database, claim, { ...segment, contentId: draft.contentId, sha256 });
      if (!kept) await draft.drop();
      return kept;
    } catch (error) {
      await draft.drop().catch(() => undefined);
      throw error;
    }
  }

  /**
   * The index of a corpus; null for one that is not known here. One of another format is built anew.
   * @param format what this release makes and reads
   * @throws Unavailable when there is none, or none yet
   */
  async segment(tenantId: string, corpusId: string, format: number): Promise<Segment | null> {
    const { database } = this.#core;
    const key = { tenantId, corpusId };
    const place = await findSegment(database, key);
    if (place === null) return null;
    if (place.status !== 'ready') throw new Unavailable(`The corpus ${corpusId} is ${place.status}, not ready.`);
    if (place.format === format) {
      return { sha256: place.sha256, parts: readContent(this.#core, tenantId, place.contentId) };
    }
    const rings = await rebuildSegment(database, key, place.contentId);
    if (rings !== null) await this.#ring({ ...key, rings });
    throw new Unavailable(`The index of corpus ${corpusId} is of another release and is being built anew.`);
  }

  /** Those of these corpora that are still there, of whichever tenant: for workers, which keep copies of indexes. */
  async known(ids: readonly string[]): Promise<Set<string>> {
    return await knownCorpora(this.#core.database, ids);
  }

  /** Puts back on its way whatever should be indexed and is not, and sweeps what broke off. @returns corpora rung for */
  async reconcile(): Promise<number> {
    const { database, settings } = this.#core;
    await failHopeless(database);
    const due = await takeStrandedCorpora(database, settings.relookMs);
    for (const corpus of due) await this.#ring(corpus);
    await sweepContents(database);
    return due.length;
  }

  async #index(
    claim: CorpusClaim,
    index: IndexCorpus,
    { closing, lost }: { readonly closing: AbortSignal; readonly lost: AbortSignal },
  ): Promise<void> {
    const { database, settings } = this.#core;
    const hold = { lost, pollMs: settings.pollMs };
    const stop = AbortSignal.any([closing, lost]);
    try {
      await index(claim, stop);
      // Without effect where a result was kept.
      await whileHeld(hold, async () => await releaseCorpus(database, claim, null));
    } catch (error) {
      const blamed = !stop.aborted;
      await whileHeld(hold, async () => {
        if (error instanceof InvalidInput) await failCorpus(database, claim, messageOf(error));
        else await releaseCorpus(database, claim, blamed ? messageOf(error) : null);
      });
      if (blamed && !(error instanceof InvalidInput)) throw error;
    }
  }

  /** For all that a client asks; tool workers have a door of their own. */
  #door(tenantId: string): Statements {
    return this.#core.database.forTenant(tenantId);
  }

  #depot(tenantId: string): Depot {
    return { database: this.#door(tenantId), objects: this.#core.objects };
  }

  async #ring({ tenantId, corpusId, rings }: DueCorpus): Promise<void> {
    await ringOrLose(this.#core, { bell: 'corpora', tenantId, runId: corpusId, key: `${corpusId}-${rings}` });
  }
}
