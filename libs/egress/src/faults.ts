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

/** A fetch that the rules allow came to nothing. `kind` says how to treat it; `cause` keeps what the network said. */
export class EgressFault extends ArgosyError {
  override readonly name = 'EgressFault';
  readonly code = 'egress_failed';
  readonly kind: FaultKind;
  readonly retryable: boolean;
  constructor(kind: FaultKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.retryable = kind === 'transient' || kind === 'quota';
  }
}

/** Words for what sockets, TLS, the HTTP parser and zlib report by code; first match wins. */
const KNOWN: readonly (readonly [RegExp, FaultKind, string])[] = [
  [/^ENOTFOUND$/, 'invalid', 'has no such host name in DNS; check the spelling'],
  [/^EAI_/, 'transient', 'could not be looked up in DNS'],
  [/^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/, 'transient', 'did not accept a connection in time'],
  [/^UND_ERR_HEADERS_TIMEOUT$/, 'transient', 'sent no complete response header in time'],
  [/^(UND_ERR_HEADERS_OVERFLOW|HPE_HEADER_OVERFLOW)$/, 'invalid', 'sent response headers over the size limit'],
  [/^(HPE_|HTTPParserError$)/, 'invalid', 'did not answer with valid HTTP'],
  [/^ECONNREFUSED$/, 'transient', 'refused the connection'],
  [/^(ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL)$/, 'transient', 'cannot be reached over this network'],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)$/, 'transient', 'broke the connection off'],
  [/^(Z_|ERR__|ERR_BROTLI|ERR_ZSTD|ZSTD_)/, 'invalid', 'sent a body that its content-encoding cannot decode'],
  [/(CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO_)/, 'invalid', 'has a TLS set-up or certificate that cannot be trusted'],
];

/**
 * The fault that a network error stands for; faults of ours pass unchanged. The message leaves out the error's own text,
 * which often contains the dialled address.
 */
export function faultOf(thrown: unknown, host: string): ArgosyError {
  if (thrown instanceof ArgosyError) return thrown;
  const code = codeOf(thrown);
  const known = KNOWN.find(([pattern]) => pattern.test(code));
  const [kind, words] = known ? [known[1], known[2]] : (['transient', 'could not be fetched'] as const);
  return new EgressFault(kind, `${host} ${words}${code ? ` (${code})` : ''}`, { cause: thrown });
}

/** The code, or the class where there is none: undici's parser errors often come without. */
function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return '';
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code;
  return 'name' in thrown && typeof thrown.name === 'string' && thrown.name !== 'Error' ? thrown.name : '';
}
