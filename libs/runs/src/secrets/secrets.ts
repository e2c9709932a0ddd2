import { randomBytes } from 'node:crypto';
import type { SecretResource } from '#contracts';
import { InvalidState, NotFound } from '#errors';
import { type Bus, topics } from '../bus.ts';
import type { Database } from '../store/database.ts';
import { deleteSecret, listSecrets, putSecret, replaceSealed, takeSecret } from './records.ts';
import { seal, unseal } from './sealing.ts';
import type { KeyWrapping } from './wrapping.ts';

/** Who asks for a change, as the audit log names them. */
interface By {
  readonly tenantId: string;
  readonly actor: string;
}

/** What secrets are kept with. */
export interface SecretSettings {
  /** Null: none can be set, and none that is there can be opened. */
  readonly wrapping: KeyWrapping | null;
  /** Milliseconds on a clock that only goes forward. */
  readonly nowMs?: () => number;
}

/** For so long what was read is taken for true: with all that a call does before it asks, below five seconds. */
const freshMs = 4_000;

/** Secrets that a process remembers. */
const mostKnown = 1_000;

interface Known {
  readonly text: Promise<string | null>;
  /** When the look at the database began. */
  readonly since: number;
}

/**
 * What tenants bring to be used for them alone. Clients write and delete it and are never told it; it is opened where it is
 * used, for a call of its tenant.
 */
export class Secrets {
  readonly #database: Database;
  readonly #bus: Bus;
  readonly #wrapping: KeyWrapping | null;
  readonly #nowMs: () => number;
  readonly #known = new Map<string, Known>();
  readonly #unsubscribe: () => void;

  constructor(database: Database, bus: Bus, { wrapping, nowMs = () => performance.now() }: SecretSettings) {
    this.#database = database;
    this.#bus = bus;
    this.#wrapping = wrapping;
    this.#nowMs = nowMs;
    this.#unsubscribe = bus.subscribe(topics.secrets, (place) => this.#known.delete(place));
  }

  /** Keeps a secret, in place of the one of that name: used from now on, and everywhere within five seconds. @throws InvalidState */
  async set({ tenantId, actor }: By, name: string, text: string): Promise<SecretResource> {
    if (this.#wrapping === null) throw new InvalidState(noKey);
    const place = { tenantId, name, version: randomBytes(8).toString('hex') };
    const sealed = await seal(text, place, this.#wrapping);
    const kept = await putSecret(this.#database.forTenant(tenantId), place, sealed, actor);
    if (kept === null) throw new Error('A secret was written and is not there.');
    this.#bus.publish(topics.secrets, placeOf(tenantId, name));
    return kept;
  }

  /** By their names, and nothing of what they hold. */
  async list(tenantId: string): Promise<SecretResource[]> {
    return await listSecrets(this.#database.forTenant(tenantId), tenantId);
  }

  /** Not used any more, anywhere, within five seconds. @throws NotFound */
  async remove({ tenantId, actor }: By, name: string): Promise<void> {
    const isGone = await deleteSecret(this.#database.forTenant(tenantId), tenantId, name, actor);
    if (!isGone) throw new NotFound('There is no secret of this name; GET /v1/secrets lists those that there are.');
    this.#bus.publish(topics.secrets, placeOf(tenantId, name));
  }

  /**
   * The secret itself, to be used at once for a call of its tenant; null where there is none.
   * @throws SecretUnreadable; Unavailable when the database cannot say
   */
  async read(tenantId: string, name: string): Promise<string | null> {
    const place = placeOf(tenantId, name);
    const known = this.#known.get(place);
    const now = this.#nowMs();
    if (known !== undefined && now - known.since < freshMs) return await known.text;
    const fresh = { text: this.#open(tenantId, name), since: now };
    this.#forgetStale(now);
    this.#known.set(place, fresh);
    // A fault is told to those who wait for it, and not remembered.
    fresh.text.catch(() => {
      if (this.#known.get(place) === fresh) this.#known.delete(place);
    });
    return await fresh.text;
  }

  /** Forgets what was read. */
  async close(): Promise<void> {
    this.#unsubscribe();
    this.#known.clear();
  }

  async #open(tenantId: string, name: string): Promise<string | null> {
    const door = this.#database.forTenant(tenantId, 'argosy_fleet');
    const row = await takeSecret(door, tenantId, name);
    if (row === null) return null;
    const place = { tenantId, name, version: row.version };
    const text = await unseal(row, place, this.#wrapping);
    if (this.#wrapping !== null && row.keyId !== this.#wrapping.currentId) {
      await replaceSealed(door, place, row, await seal(text, place, this.#wrapping));
    }
    return text;
  }

  #forgetStale(now: number): void {
    for (const [place, { since }] of this.#known) if (now - since >= freshMs) this.#known.delete(place);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= mostKnown && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** The message of the bus that tells of it, too. No tenant's id holds a space. */
function placeOf(tenantId: string, name: string): string {
  return `${tenantId} ${name}`;
}

const noKey =
  'This server keeps no secrets, because it has nothing to seal them with: set ARGOSY_SECRETS_KEY, the same for gateways and tool workers; make one with: openssl rand -base64 32';
