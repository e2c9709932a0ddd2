/** What can go wrong between us and the server that generates, in words that tell its operator what to do. */
import { ArgosyError, InvalidInput, messageOf } from '#errors';

/** What a caller is told to wait where the server said nothing. */
const usualRetryMs = 1_000;
const mostRetryMs = 600_000;
const mostWords = 500;

/** The server does not do what it must: nothing but another setting helps. */
export class UnusableServer extends ArgosyError {
  override readonly name = 'UnusableServer';
  readonly code = 'unusable_server';
  readonly retryable = false;
}

/** The server is away, or was lost in the middle of a reply: another group may do it, or this one later. */
export class ServerAway extends ArgosyError {
  override readonly name = 'ServerAway';
  readonly code = 'server_away';
  readonly retryable = true;
  readonly retryAfterMs: number;
  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs ?? usualRetryMs;
  }
}

/** The server takes no more requests for now. */
class ServerFull extends ArgosyError {
  override readonly name = 'ServerFull';
  readonly code = 'no_room';
  readonly retryable = true;
  readonly retryAfterMs: number;
  constructor(words: string, retryAfterMs: number) {
    super(`the server takes no more requests now${words}: come again in ${retryAfterMs} ms, or ask another group`);
    this.retryAfterMs = retryAfterMs;
  }
}

/** An answer that is no success. */
export interface Refusal {
  readonly status: number;
  /** The value of its `retry-after`, which may be absent. */
  readonly retryAfter: string | undefined;
  /** The start of its body. */
  readonly body: string;
}

/** What a refusal of a request means to its caller. */
export function refusalOf({ status, retryAfter, body }: Refusal, address: string): ArgosyError {
  const words = wordsOf(body);
  const said = words === '' ? '' : `: ${words}`;
  if (status === 429) return new ServerFull(said, retryMsOf(retryAfter));
  if (status >= 500 || status === 408) {
    const message = `the server at ${address} failed with ${status}${said}. Look into its log if it lasts`;
    return new ServerAway(message, { retryAfterMs: retryMsOf(retryAfter) });
  }
  if (status === 400 || status === 422) {
    return new InvalidInput([{ path: '', message: `the server refuses the request${said}` }]);
  }
  return new UnusableServer(`the server at ${address} answers ${status}${said}. ${adviceOf(status)}`);
}

function adviceOf(status: number): string {
  if (status === 401 || status === 403) return 'Set ARGOSY_INFERENCE_SERVER_API_KEY to the key that it expects';
  if (status === 404) return 'Check that ARGOSY_INFERENCE_SERVER is the address of vLLM or SGLang, without /v1';
  return 'Check that ARGOSY_INFERENCE_SERVER is the address of vLLM or SGLang';
}

/** The server's own words for what went wrong, on one line. vLLM and SGLang, FastAPI, and whatever else there is. */
function wordsOf(body: string): string {
  const line = told(body).replace(/\s+/g, ' ').trim().replace(/\.$/, '');
  return line.length > mostWords ? `${line.slice(0, mostWords)}…` : line;
}

function told(body: string): string {
  try {
    const json: unknown = JSON.parse(body);
    const { error, message, detail } = fieldsOf(json);
    const inner = fieldsOf(error).message ?? error ?? message ?? detail;
    return typeof inner === 'string' ? inner : body;
  } catch {
    return body;
  }
}

function fieldsOf(json: unknown): Partial<Record<'error' | 'message' | 'detail', unknown>> {
  return typeof json === 'object' && json !== null ? json : {};
}

/** Seconds (RFC 9110 §10.2.3) in ms; what is no number of them is taken for the usual time. */
function retryMsOf(retryAfter: string | undefined): number {
  if (retryAfter === undefined || !/^\d+(\.\d+)?$/.test(retryAfter.trim())) return usualRetryMs;
  return Math.min(mostRetryMs, Math.ceil(Number(retryAfter) * 1_000));
}

/** No HTTP answer came, or it broke off. */
export function brokenOff(what: string, cause: unknown): ServerAway {
  return new ServerAway(`${what} (${messageOf(cause)}). Look into its log if it lasts`, { cause });
}
