/** What can go wrong between us and an OpenAI-compatible server, in words that tell an operator what to do. */
import { z } from 'zod';
import { type FaultKind, messageOf } from '#errors';
import { ModelFault } from './chat-model.ts';
import { urlUnder } from './endpoint.ts';

export interface Failed {
  readonly ok: false;
  readonly fault: ModelFault;
  readonly retryAfterMs?: number;
  /** Set where another server of the model may do better at once. */
  readonly because?: ServerState;
}

/** `gone`: it does not answer. `away`: it cannot answer this run. `busy`: too many wait. `full`: it takes no new session. */
export type ServerState = 'gone' | 'away' | 'busy' | 'full';

/** Whom we speak to; the key is known here only to keep it out of messages. */
export interface Endpoint {
  readonly baseUrl: string;
  readonly model: string;
  readonly apiKey?: string;
}

const MAX_WORDS = 500;

/** Carries a failure of the connection out of the code that reads from it; anything else thrown there is a bug. */
export class BrokenWire extends Error {
  readonly failed: Failed;
  constructor(failure: Failed) {
    super(failure.fault.message, { cause: failure.fault });
    this.failed = failure;
  }
}

export function failed(kind: FaultKind, message: string, cause?: unknown): Failed {
  return { ok: false, fault: new ModelFault(kind, message, cause === undefined ? {} : { cause }) };
}

/** The server began, or seemed to, and did not finish: worth another try. */
export function stalled(what: string, { baseUrl }: Endpoint, cause?: unknown): Failed {
  return failed('transient', `The model server at ${baseUrl} ${what}. Look into its log if it lasts.`, cause);
}

/** Another model than the one that began the run: a router's fallback, or a server started anew. It may come back. */
export function otherModel(named: string, before: string, { baseUrl }: Endpoint): Failed {
  return failed(
    'transient',
    `The model server at ${baseUrl} answers as "${named}", but this run began with "${before}". One report must come from one model: switch off fallbacks on that server, or start the run anew.`,
  );
}

const systemError = z.object({ cause: z.object({ code: z.string().optional(), message: z.string().optional() }) });

/** No HTTP answer came at all. */
export function connectFault(thrown: unknown, { baseUrl }: Endpoint): Failed {
  // fetch says only "fetch failed"; the reason is its cause, which has no message when several addresses were tried.
  const { code = '', message = '' } = systemError.safeParse(thrown).data?.cause ?? {};
  const why =
    [message.includes(code) ? '' : code, message].filter((part) => part !== '').join(': ') || messageOf(thrown);
  const words = `No model server answers at ${baseUrl} (${why}). Check that it is running and that the address is right: curl ${modelsUrl(baseUrl)}`;
  return { ...failed('transient', words, thrown), because: 'gone' };
}

/** The server said no. `words` is the start of its body. */
export function statusFault(response: Response, words: string, endpoint: Endpoint, now: number): Failed {
  const { status } = response;
  const { kind, advice } = treatmentOf(status, endpoint, response.headers.get('location'));
  const said = serverWords(words, endpoint);
  const message = `The model server at ${endpoint.baseUrl} refused with ${status}${said ? `: ${said}` : ''}. ${advice}`;
  const retryAfterMs = kind === 'quota' || kind === 'transient' ? retryAfter(response.headers, now) : undefined;
  const because = serverStateBy(status);
  return {
    ...failed(kind, message),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(because === undefined ? {} : { because }),
  };
}

function serverStateBy(status: number): ServerState | undefined {
  if (status === 429) return 'busy';
  return status === 502 || status === 503 || status === 504 ? 'away' : undefined;
}

/** The server reported an error inside a stream that had begun well. */
export function streamedFault(error: unknown, endpoint: Endpoint): Failed {
  const status = z.object({ code: z.number().int() }).safeParse(error).data?.code ?? 500;
  const { kind, advice } = treatmentOf(status >= 400 && status < 600 ? status : 500, endpoint);
  const said = serverWords(JSON.stringify({ error }), endpoint);
  return failed(kind, `The model server at ${endpoint.baseUrl} broke off with an error: ${said}. ${advice}`);
}

function treatmentOf(
  status: number,
  { baseUrl, model }: Endpoint,
  location: string | null = null,
): { kind: FaultKind; advice: string } {
  if (status === 429) return { kind: 'quota', advice: 'Its rate limit or quota is used up; wait or raise it.' };
  if (status >= 500 || status === 408) return { kind: 'transient', advice: "Look into the server's log if it lasts." };
  if (status === 401) return { kind: 'blocked', advice: 'Set the API key that this server expects.' };
  if (status === 402 || status === 403) {
    return { kind: 'blocked', advice: `Check that the API key may use the model "${model}".` };
  }
  if (status === 404) {
    return {
      kind: 'invalid',
      advice: `Check the base URL (most servers want it to end in /v1) and that "${model}" is served: curl ${modelsUrl(baseUrl)}`,
    };
  }
  if (status < 400) {
    return { kind: 'invalid', advice: `It points to ${location ?? 'another address'}; make that the base URL.` };
  }
  return { kind: 'invalid', advice: "Check the model's name, its context length and the limits of the server." };
}

function modelsUrl(baseUrl: string): string {
  return urlUnder(baseUrl, 'models');
}

const errorBody = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ error: z.string() }).transform(({ error }) => error),
  z.object({ message: z.string() }).transform(({ message }) => message),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
]);

function serverWords(body: string, { apiKey }: Endpoint): string {
  let words = body;
  try {
    words = errorBody.safeParse(JSON.parse(body)).data ?? body;
  } catch {
    // Not JSON: a proxy's page, told as it is.
  }
  const line = words.replace(/\s+/g, ' ').trim().replace(/\.$/, '');
  const told = apiKey ? line.replaceAll(apiKey, '***') : line;
  return told.length > MAX_WORDS ? `${told.slice(0, MAX_WORDS)}…` : told;
}

/** Retry-After as seconds or as an HTTP date (RFC 9110 §10.2.3), in ms from `now`; nothing when absent or unreadable. */
function retryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
