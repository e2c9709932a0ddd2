import type { BegunLogin, GivenLogin, WaysIn } from '#contracts';
import { ArgosyError, messageOf } from '#errors';
import type { ApiKeys } from '#runs';
import { retryAfter } from '../access/rate-limits.ts';
import { Refusal } from '../access/refusal.ts';
import { Issuer, type Ticket } from './issuer.ts';
import type { OidcSettings } from './oidc-settings.ts';
import { loginRefused, personOf } from './people.ts';

/** Logins that are finished at the same time; each asks the issuer, and nobody has shown a key yet. */
const mostAtOnce = 20;
const patienceMs = 2_000;

/** People who log in by an identity provider: each is given a key for some hours. */
export class Logins {
  readonly #settings: OidcSettings;
  readonly #issuer: Issuer;
  readonly #keys: ApiKeys;
  readonly #now: () => Date;
  #busy = 0;

  constructor(settings: OidcSettings, keys: ApiKeys, now: () => Date = () => new Date()) {
    this.#settings = settings;
    this.#issuer = new Issuer(settings);
    this.#keys = keys;
    this.#now = now;
  }

  /** Whether the issuer can be used now. */
  async way(): Promise<NonNullable<WaysIn['oidc']>> {
    const { name } = this.#settings;
    try {
      await this.#issuer.find();
      return { name, trouble: null };
    } catch (error) {
      if (!(error instanceof ArgosyError)) throw error;
      return { name, trouble: messageOf(error) };
    }
  }

  /** @throws Unavailable */
  async begin(): Promise<BegunLogin> {
    return await this.#issuer.begin();
  }

  /** @throws Refusal for whoever is not let in, or when too many come at once; Unavailable */
  async finish(ticket: Ticket, query: string): Promise<GivenLogin> {
    if (this.#busy >= mostAtOnce) {
      const message = `${mostAtOnce} others log in at this moment. Try again in a moment.`;
      throw new Refusal(message, { status: 503, code: 'overloaded', headers: retryAfter(patienceMs) });
    }
    this.#busy += 1;
    try {
      const { membership, sessionMs } = this.#settings;
      const person = personOf(await this.#issuer.finish(ticket, query), membership);
      const expiresAt = new Date(this.#now().getTime() + sessionMs).toISOString();
      const key = await this.#keys.logIn({ ...person, expiresAt });
      if (key !== null) return { key, name: person.name, tenant: person.tenantId, expires_at: expiresAt };
      const message = `${person.name} is of the tenant ${person.tenantId}, which this server does not have. Whoever runs it makes it: argosy tenants create ${person.tenantId}`;
      throw loginRefused(message);
    } finally {
      this.#busy -= 1;
    }
  }
}
