import { randomBytes } from 'node:crypto';
import type { KeyResource } from '#contracts';
import { InvalidState, NotFound } from '#errors';
import { type Bus, topics } from '../bus.ts';
import type { Database } from '../store/database.ts';
import { ensureTenant, insertKey, keysNamed, listKeys, mostKeys, revokeKey } from './key-records.ts';
import { keyRandomBytes, macOf, newKeyText } from './key-text.ts';
import { Keyring, type KeyringTimes } from './keyring.ts';
import { endLogin, insertLogin } from './login-records.ts';

/** What keys are made and checked with. */
export interface KeySettings {
  /** At least 32 bytes that only gateways and operators know: whoever reads the database can neither use nor guess a key. */
  readonly pepper: Uint8Array;
  /** What the deployment is called in its keys: at most 16 of a-z and 0-9. */
  readonly env: string;
  readonly times?: KeyringTimes;
}

/** A key that somebody wants. */
export interface KeyWish {
  readonly name: string;
  readonly scopes: readonly string[];
  /** ISO 8601; null: until it is revoked. */
  readonly expiresAt: string | null;
}

/** Somebody whom an identity provider vouches for. */
export interface LoginWish {
  readonly tenantId: string;
  /** The subject of their ID token. */
  readonly person: string;
  /** For people: an address, a name. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** Who asks for a change, as the audit log names them. */
interface By {
  readonly tenantId: string;
  readonly actor: string;
}

/** The keys of all tenants. */
export class ApiKeys {
  /** Who is let in. */
  readonly ring: Keyring;
  readonly #database: Database;
  readonly #bus: Bus;
  readonly #settings: KeySettings;

  constructor(database: Database, bus: Bus, settings: KeySettings) {
    this.#database = database;
    this.#bus = bus;
    this.#settings = settings;
    this.ring = new Keyring(database, bus, settings.pepper, settings.times);
  }

  /** Makes a tenant where there is none of this id: for operators, never for what a client asks. */
  async ensureTenant(tenantId: string): Promise<void> {
    await ensureTenant(this.#database, tenantId);
  }

  /** Makes a key. `text` is told here and never again. @throws InvalidState when the tenant has too many */
  async create({ tenantId, actor }: By, wish: KeyWish): Promise<{ key: KeyResource; text: string }> {
    const { pepper, env } = this.#settings;
    const { keyId, text } = newKeyText(env, randomBytes(keyRandomBytes));
    const fresh = { ...wish, tenantId, keyId, mac: macOf(text, pepper) };
    const key = await insertKey(this.#database.forTenant(tenantId), fresh, actor);
    if (key === null) {
      throw new InvalidState(
        `There are ${mostKeys} keys already that are neither revoked nor expired; revoke some first.`,
      );
    }
    return { key, text };
  }

  /** Makes a person a key for some hours; it is told here and never again. @returns null where there is no such tenant */
  async logIn(wish: LoginWish): Promise<string | null> {
    const { pepper, env } = this.#settings;
    const { keyId, text } = newKeyText(env, randomBytes(keyRandomBytes));
    const fresh = { ...wish, keyId, mac: macOf(text, pepper) };
    return (await insertLogin(this.#database.forTenant(wish.tenantId), fresh)) ? text : null;
  }

  /** Ends a login as {@link revoke} does. @throws InvalidState for a key that somebody made */
  async logOut(tenantId: string, keyId: string): Promise<void> {
    if (!(await endLogin(this.#database.forTenant(tenantId), tenantId, keyId))) {
      throw new InvalidState('This key is no login: it is good until somebody revokes it.');
    }
    this.#bus.publish(topics.keys, keyId);
  }

  /** Newest first. @param before id of the last one of the page before */
  async list(tenantId: string, before: string | null, limit: number): Promise<KeyResource[]> {
    return await listKeys(this.#database.forTenant(tenantId), tenantId, before, limit);
  }

  /** Ends a key for good: at once where the bus is heard, and everywhere within five seconds. @throws NotFound */
  async revoke({ tenantId, actor }: By, keyId: string): Promise<KeyResource> {
    const key = await revokeKey(this.#database.forTenant(tenantId), tenantId, keyId, actor);
    if (key === null) throw new NotFound(`There is no key ${keyId}.`);
    this.#bus.publish(topics.keys, keyId);
    return key;
  }

  /** Revokes the tenant's other keys that have the name of this one. */
  async revokeNamesakes(by: By, { id: own, name }: KeyResource): Promise<void> {
    const ids = await keysNamed(this.#database.forTenant(by.tenantId), by.tenantId, name);
    for (const id of ids) if (id !== own) await this.revoke(by, id);
  }

  async close(): Promise<void> {
    await this.ring.close();
  }
}
