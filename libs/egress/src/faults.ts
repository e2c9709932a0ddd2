import type { FaultKind } from '#errors';
import { ArgosyError } from '#errors';

/**
 * The egress rules forbid this fetch; asking again cannot help. `message` is fit for a model and a user and never tells
 * which address a name has. `detail` is for the audit log only: it is a getter, so that neither `JSON.stringify` nor
 * `util.inspect` prints it by accident.
 */
export class EgressBlocked extends ArgosyError {
  override readonly name = 'EgressBlocked';
  readonly code = 'egress_blocked';
  readonly retryable = false;
  readonly kind = 'blocked' satisfies FaultKind;
  readonly #detail: string;
  constructor(message: string, detail: string, options?: ErrorOptions) {
    super(message, options);
    this.#detail = detail;
  }

  /** What exactly was refused, with addresses. Operator's eyes only. */
  get detail(): string {
    return this.#detail;
  }
}

/** The fault of every host that has an address which is not public, whatever that address is. */
export function notPublic(host: string, detail: string): EgressBlocked {
  const why = 'it is not a public web host. Private targets must be named by the operator';
  return new EgressBlocked(`${host} was not fetched: ${why}`, detail);
}

/**
 * What can come between a host and us: the kind of fault, and words that follow the host's name. The keys are the error
 * types of RFC 9209 (2.3), by which a proxy tells its clients of them.
 */
const TROUBLES = {
  destination_not_found: ['invalid', 'has no such host name in DNS; check the spelling'],
  dns_error: ['transient', 'could not be looked up in DNS'],
  dns_timeout: ['transient', 'had no DNS answer in time'],
  connection_timeout: ['transient', 'did not accept a connection in time'],
  connection_refused: ['transient', 'refused the connection'],
  destination_ip_unroutable: ['transient', 'cannot be reached over this network'],
  connection_terminated: ['transient', 'broke the connection off'],
  destination_unavailable: ['transient', 'could not be fetched'],
  tls_certificate_error: ['invalid', 'has a TLS set-up or certificate that cannot be trusted'],
  http_response_timeout: ['transient', 'sent no complete response header in time'],
  http_response_header_section_size: ['invalid', 'sent response headers over the size limit'],
  http_response_content_coding: ['invalid', 'sent a body that its content-encoding cannot decode'],
  http_protocol_error: ['invalid', 'did not answer with valid HTTP'],
} as const satisfies Readonly<Record<string, readonly [FaultKind, string]>>;

export type Trouble = keyof typeof TROUBLES;

export function isTrouble(name: string): name is Trouble {
  return Object.hasOwn(TROUBLES, name);
}

/** A fetch that the rules allow came to nothing. `kind` says how to treat it; `cause` keeps what the network said. */
export class EgressFault extends ArgosyError {
  override readonly name = 'EgressFault';
  readonly code = 'egress_failed';
  readonly kind: FaultKind;
  readonly retryable: boolean;
  /** Undefined where a bound of ours was reached. */
  readonly trouble: Trouble | undefined;
  constructor(kind: FaultKind, message: string, options: ErrorOptions & { readonly trouble?: Trouble } = {}) {
    super(message, options);
    this.kind = kind;
    this.retryable = kind === 'transient' || kind === 'quota';
    this.trouble = options.trouble;
  }
}

/** What sockets, TLS, the HTTP parser and zlib report by code; first match wins. */
const KNOWN: readonly (readonly [RegExp, Trouble])[] = [
  [/^ENOTFOUND$/, 'destination_not_found'],
  [/^EAI_/, 'dns_error'],
  [/^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/, 'connection_timeout'],
  [/^UND_ERR_HEADERS_TIMEOUT$/, 'http_response_timeout'],
  [/^(UND_ERR_HEADERS_OVERFLOW|HPE_HEADER_OVERFLOW)$/, 'http_response_header_section_size'],
  [/^(HPE_|HTTPParserError$)/, 'http_protocol_error'],
  [/^ECONNREFUSED$/, 'connection_refused'],
  [/^(ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL)$/, 'destination_ip_unroutable'],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)$/, 'connection_terminated'],
  [/^(Z_|ERR__|ERR_BROTLI|ERR_ZSTD|ZSTD_)/, 'http_response_content_coding'],
  [/(CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO_)/, 'tls_certificate_error'],
];

/**
 * The fault that a network error stands for; faults of ours pass unchanged. The message leaves out the error's own text,
 * which often contains the dialled address.
 */
export function faultOf(thrown: unknown, host: string): ArgosyError {
  if (thrown instanceof ArgosyError) return thrown;
  const code = codeOf(thrown);
  const [, trouble] = KNOWN.find(([pattern]) => pattern.test(code)) ?? [/$/, 'destination_unavailable' as const];
  return troubled(trouble, host, { code, cause: thrown });
}

/** @param source the `code` that the network reported, and the error itself */
export function troubled(trouble: Trouble, host: string, source: { code?: string; cause?: unknown } = {}): EgressFault {
  const [kind, words] = TROUBLES[trouble];
  const { code = '', cause } = source;
  return new EgressFault(kind, `${host} ${words}${code ? ` (${code})` : ''}`, { cause, trouble });
}

/** The code, or the class where there is none: undici's parser errors often come without. */
function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return '';
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code;
  return 'name' in thrown && typeof thrown.name === 'string' && thrown.name !== 'Error' ? thrown.name : '';
}
