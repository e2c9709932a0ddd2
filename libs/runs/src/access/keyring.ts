import { ArgosyError } from '#errors';
import type { Bus } from '../bus.ts';
import { topics } from '../bus.ts';
import type { Database } from '../store/database.ts';
import { findKeys, type KeyRow, noteUse } from './key-records.ts';
import { type KeyText, macOf, parseKeyText, sameMac } from './key-text.ts';

/** A key that is not accepted. It is not told whether there ever was such a key. */
export class KeyRefused extends ArgosyError {
  override readonly name = 'KeyRefused';
  readonly code = 'invalid_api_key';
  readonly retryable = false;
}

/** Whoever showed a key, for as long as something is done for them. */
export interface KeyHolder {
  readonly keyId: string;
  readonly tenantId: string;
  readonly scopes: readonly string[];
  /** What the tenant's settings say of limits. */
  readonly limits: unknown;
  /** Fires when the key is no longer accepted, or nobody can tell. */
  readonly ends: AbortSignal;
  /** Says that nothing is done for them any more; call it always. */
  leave(): void;
}

/** Times of a key ring, in milliseconds. What they add up to is how long a revoked key may still be of use. */
export interface KeyringTimes {
  /** For so long what was seen of a key is taken for true. */
  readonly freshMs: number;
  /** How often keys in use are looked after. */
  readonly everyMs: number;
  /** A key in use that nobody could look at for so long is of no use any more. */
  readonly lapseMs: number;
}

/** Revoked keys end within five seconds, also while neither Redis nor the database answers. */
const usualTimes: KeyringTimes = { freshMs: 2_000, everyMs: 500, lapseMs: 4_500 };

/** Keys beyond which those that nobody uses are forgotten. */
const manyKeys = 10_000;

interface Entry {
  row: KeyRow;
  /** When the look at the database began that found it, on the clock of `performance`. */
  seenAt: number;
  readonly ends: AbortController;
  /** What is done with it now. */
  uses: number;
}

/** What is compared with where there is no such key: the answer takes as long. */
const nobody = new Uint8Array(32);

/** Keys as the door knows them: each looked up now and then, and while it is in use, all the time. */
export class Keyring {
  readonly #database: Database;
  readonly #pepper: Uint8Array;
  readonly #times: KeyringTimes;
  readonly #entries = new Map<string, Entry>();
  readonly #looks = new Map<string, Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  /** The look at all keys in use that is under way. */
  #round: Promise<void> | null = null;

  constructor(database: Database, bus: Bus, pepper: Uint8Array, times: KeyringTimes = usualTimes) {
    this.#database = database;
    this.#pepper = pepper;
    this.#times = times;
    this.#timer = setInterval(() => this.#tend(), times.everyMs).unref();
    // A hint is no proof: what it says is looked up.
    this.#unsubscribe = bus.subscribe(topics.keys, (keyId) => {
      const entry = this.#entries.get(keyId);
      if (entry === undefined) return;
      entry.seenAt = Number.NEGATIVE_INFINITY;
      this.#lookAgain([keyId]);
    });
  }

  /**
   * Whose key a text is.
   * @throws KeyRefused; Unavailable when the database cannot say
   */
  async admit(text: string): Promise<KeyHolder> {
    const key = parseKeyText(text);
    if (key === null) throw new KeyRefused(malformed);
    const entry = await this.#find(key);
    const fits = sameMac(macOf(key.text, this.#pepper), entry?.row.mac ?? nobody);
    if (entry === undefined || !fits || !entry.row.live) throw new KeyRefused(unknown);
    if (!entry.row.noted) await this.#note(entry);
    entry.uses += 1;
    return holderOf(entry);
  }

  /** Ends what is done for holders, so that they come again elsewhere. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#unsubscribe();
    for (const keyId of [...this.#entries.keys()]) this.#drop(keyId, 'closing');
    await Promise.allSettled([...this.#looks.values(), this.#round]);
  }

  async #find({ keyId }: KeyText): Promise<Entry | undefined> {
    const known = this.#entries.get(keyId);
    if (known !== undefined && performance.now() - known.seenAt < this.#times.freshMs) return known;
    const look = this.#looks.get(keyId) ?? this.#look([keyId]).finally(() => this.#looks.delete(keyId));
    this.#looks.set(keyId, look);
    await look;
    return this.#entries.get(keyId);
  }

  /** Takes what the database says of keys for true from when it was asked. */
  async #look(ids: readonly string[]): Promise<void> {
    const seenAt = performance.now();
    const rows = new Map((await findKeys(this.#database.forTenant(''), ids)).map((row) => [row.keyId, row]));
    for (const keyId of ids) {
      const row = rows.get(keyId);
      if (row?.live) this.#keep(row, seenAt);
      else this.#drop(keyId, 'revoked or expired');
    }
  }

  #keep(row: KeyRow, seenAt: number): void {
    const known = this.#entries.get(row.keyId);
    if (known !== undefined) {
      if (seenAt < known.seenAt) return;
      known.row = row;
      known.seenAt = seenAt;
      return;
    }
    if (this.#entries.size >= manyKeys) this.#forgetIdle();
    this.#entries.set(row.keyId, { row, seenAt, ends: new AbortController(), uses: 0 });
  }

  #drop(keyId: string, reason: string): void {
    const entry = this.#entries.get(keyId);
    this.#entries.delete(keyId);
    entry?.ends.abort(reason);
  }

  #forgetIdle(): void {
    for (const [keyId, { uses }] of this.#entries) if (uses === 0) this.#entries.delete(keyId);
  }

  /** Looks after the keys in use, and gives up those that could not be looked at for too long. */
  #tend(): void {
    const now = performance.now();
    const inUse = [...this.#entries].filter(([, { uses }]) => uses > 0);
    for (const [keyId, { seenAt }] of inUse) {
      if (now - seenAt > this.#times.lapseMs) this.#drop(keyId, 'could not be looked at');
    }
    const due = inUse.filter(([, { seenAt }]) => now - seenAt > this.#times.freshMs).map(([keyId]) => keyId);
    if (due.length > 0 && this.#round === null) this.#lookAgain(due);
  }

  #lookAgain(ids: readonly string[]): void {
    // A look that fails leaves the keys as old as they are.
    const round = this.#look(ids).catch(() => undefined);
    this.#round = round;
    void round.then(() => {
      if (this.#round === round) this.#round = null;
    });
  }

  async #note(entry: Entry): Promise<void> {
    const { row } = entry;
    entry.row = { ...row, noted: true };
    await noteUse(this.#database.forTenant(row.tenantId), row);
  }
}

function holderOf(entry: Entry): KeyHolder {
  const { keyId, tenantId, scopes, limits } = entry.row;
  let left = false;
  const leave = (): void => {
    if (!left) entry.uses -= 1;
    left = true;
  };
  return { keyId, tenantId, scopes, limits, ends: entry.ends.signal, leave };
}

const malformed = 'This is no whole API key: its checksum does not fit. Copy all of it, from arg_ to the end.';
const unknown =
  'This API key is not accepted: it is unknown, revoked or expired. Whoever administers the tenant can make another (argosy keys create).';
