import type { SearchHit, ToolFault } from '#domain';
import type { Egress } from '#egress';
import { ArgosyError, type FaultKind } from '#errors';
import type { PaceRule } from '../pace.ts';

/** The way out that providers are asked by. */
export type Door = Pick<Egress, 'fetch'>;

/** One question to one provider. */
export interface ProviderQuery {
  /** Well-formed, without line breaks, at most `longestQuery` characters. */
  readonly query: string;
  /** ISO 639-1 code of the language that the query is written in, where its script tells. */
  readonly language?: string | undefined;
  /** ISO dates, both included; a help for the ranking, because hits are held to them afterwards. */
  readonly after?: string | undefined;
  readonly before?: string | undefined;
  /** Hosts to stay within and to leave out, with their subdomains; a help, too. */
  readonly allowDomains: readonly string[];
  readonly denyDomains: readonly string[];
  /** Most hits wanted, 1 to 20. */
  readonly limit: number;
  /** Epoch milliseconds, for breaks that a provider asks for until a date. */
  readonly now: number;
  readonly signal: AbortSignal;
}

/** What one provider found, before it is merged with what others did. */
export interface ProviderHit extends Omit<SearchHit, 'providers'> {
  /** Of a scholarly work: whole, plain text. */
  readonly abstract?: string | undefined;
  /** Without version: `1706.03762`. */
  readonly arxivId?: string | undefined;
}

/**
 * Someone who can be asked where to read. `web` ones know everything and are asked one after the other until one answers;
 * `encyclopedic` and `scholarly` ones know their field and are asked side by side.
 */
export interface SearchProvider {
  /** One word, as in settings and reports. */
  readonly name: string;
  readonly field: 'web' | 'encyclopedic' | 'scholarly';
  /** Whom queries are sent to; `*.` stands for editions by language. */
  readonly hosts: readonly string[];
  /** Whose data it is and on which terms, for whoever publishes what was found. */
  readonly attribution: string;
  readonly rule: PaceRule;
  /** In characters; a longer query is not sent. */
  readonly longestQuery: number;
  /** What a tenant's own key makes of it; only where a key is of use. */
  readonly own?: OwnKey;
  /**
   * Best first; no hits at all means that it looked and found nothing.
   * @throws ProviderFault where it did not look, or said something that is not understood; EgressBlocked and EgressFault
   * as egress throws them; Aborted when the signal fires
   */
  search(wanted: ProviderQuery, door: Door): Promise<readonly ProviderHit[]>;
}

/** How a provider is asked with keys of tenants. */
export interface OwnKey {
  /** What the tenant's secret is called. */
  readonly secret: string;
  /** The deployment has no key that everyone may use. */
  readonly only: boolean;
  with(key: string): SearchProvider;
}

/** A provider did not answer a query. `kind` says how to treat it; nothing found is no fault. */
export class ProviderFault extends ArgosyError {
  override readonly name = 'ProviderFault';
  readonly code = 'search_provider_failed';
  readonly retryable: boolean;
  readonly kind: Exclude<FaultKind, 'empty'>;
  readonly retryAfterMs: number | undefined;
  constructor(kind: Exclude<FaultKind, 'empty'>, message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.retryable = kind === 'transient' || kind === 'quota';
    this.retryAfterMs = retryAfterMs;
  }

  /** As a part of a tool's result. */
  get fault(): ToolFault {
    const { kind, message, retryAfterMs } = this;
    return retryAfterMs === undefined ? { kind, message } : { kind, message, retryAfterMs };
  }
}
