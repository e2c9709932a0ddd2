import { z } from 'zod';
import {
  type AcceptedResource,
  acceptedResource,
  type CreatedKeyResource,
  createdKeyResource,
  type ExplanationResource,
  errorResource,
  explanationResource,
  type InferenceResource,
  inferenceResource,
  type KeyResource,
  keyResource,
  type ResearchBody,
  type RunResource,
  runResource,
  type SecretResource,
  secretList,
  secretResource,
  usageResource,
} from '#contracts';
import { ArgosyError, messageOf, Unavailable } from '#errors';

/** The gateway understood the request and refused it. */
export class Refused extends ArgosyError {
  override readonly name = 'Refused';
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  /** What the server asks for before the next try; null where it does not say. */
  readonly retryAfterMs: number | null;
  constructor(status: number, code: string, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.retryable = status === 429 || status === 503;
  }
}

/** The server answered in a form of another release, or is no Argosy. */
class NotUnderstood extends ArgosyError {
  override readonly name = 'NotUnderstood';
  readonly code = 'answer_not_understood';
  readonly retryable = false;
}

/** A server-sent event; durable ones have an id. */
export interface ClientEvent {
  readonly id: number | null;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventOptions {
  /** Ends the stream, which then throws. */
  readonly signal?: AbortSignal;
  /** A stream on which nothing arrives for so long is broken: a gateway sends a comment every 15 s. Default: no limit. */
  readonly silenceMs?: number;
}

/** How long a server may take to begin an answer. */
const answerMs = 60_000;

const keyPage = z.object({ data: z.array(keyResource), next: z.string().nullable() });
const runPage = z.object({ data: z.array(runResource), next: z.string().nullable() });

/** Talks to a gateway, here or elsewhere. */
export class Client {
  readonly url: string;
  readonly #apiKey: string | undefined;

  constructor(url: string, apiKey?: string) {
    this.url = url;
    this.#apiKey = apiKey;
  }

  /** Accepts a run, or finds the one that was accepted under the same key. */
  async create(body: ResearchBody, idempotencyKey: string): Promise<AcceptedResource> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey };
    const init = { method: 'POST', body: JSON.stringify(body), headers };
    return await this.#read(acceptedResource, '/v1/research', init);
  }

  async get(runId: string): Promise<RunResource> {
    return await this.#read(runResource, `/v1/research/${encodeURIComponent(runId)}`);
  }

  /** Newest first. */
  async list(limit: number): Promise<RunResource[]> {
    return (await this.#read(runPage, `/v1/research?limit=${limit}`)).data;
  }

  /** Where its time went. */
  async explain(runId: string): Promise<ExplanationResource> {
    const path = `/v1/research/${encodeURIComponent(runId)}/explain`;
    return await this.#read(explanationResource, path);
  }

  /** What the caller's tenant has used, by the day, both included. */
  async usage({ from, to }: { readonly from: string; readonly to: string }): Promise<readonly object[]> {
    const path = `/v1/usage?${new URLSearchParams({ from, to })}`;
    return (await this.#read(usageResource, path)).days;
  }

  /** How the inference groups stand. */
  async inferenceGroups(): Promise<InferenceResource> {
    return await this.#read(inferenceResource, '/v1/admin/inference');
  }

  async cancel(runId: string): Promise<void> {
    await this.send(`/v1/research/${encodeURIComponent(runId)}/cancel`, { method: 'POST' });
  }

  async createKey(wish: unknown): Promise<CreatedKeyResource> {
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', body: JSON.stringify(wish), headers };
    return await this.#read(createdKeyResource, '/v1/keys', init);
  }

  /** All of the caller's tenant, newest first. */
  async listKeys(): Promise<KeyResource[]> {
    const keys: KeyResource[] = [];
    for (let before = ''; ; ) {
      const path = `/v1/keys?limit=100${before === '' ? '' : `&before=${before}`}`;
      const { data, next } = await this.#read(keyPage, path);
      keys.push(...data);
      if (next === null) return keys;
      before = encodeURIComponent(next);
    }
  }

  async revokeKey(id: string): Promise<KeyResource> {
    const path = `/v1/keys/${encodeURIComponent(id)}`;
    return await this.#read(keyResource, path, { method: 'DELETE' });
  }

  /** In place of the one of that name. */
  async setSecret(name: string, value: string): Promise<SecretResource> {
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'PUT', body: JSON.stringify({ value }), headers };
    return await this.#read(secretResource, `/v1/secrets/${encodeURIComponent(name)}`, init);
  }

  /** By their names; what they hold is not told. */
  async listSecrets(): Promise<SecretResource[]> {
    return (await this.#read(secretList, '/v1/secrets')).data;
  }

  async deleteSecret(name: string): Promise<void> {
    await this.send(`/v1/secrets/${encodeURIComponent(name)}`, { method: 'DELETE' });
  }

  /** For good; a run that has not ended is stopped. */
  async remove(runId: string): Promise<void> {
    await this.send(`/v1/research/${encodeURIComponent(runId)}`, { method: 'DELETE' });
  }

  /** `bundle.tar` of a run that has its report. */
  async bundle(runId: string): Promise<Uint8Array> {
    const response = await this.send(`/v1/research/${encodeURIComponent(runId)}/bundle.tar`);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Whether an Argosy server answers within `limitMs`. */
  async answers(limitMs: number): Promise<boolean> {
    try {
      return (await this.send('/healthz', { signal: AbortSignal.timeout(limitMs) })).ok;
    } catch {
      return false;
    }
  }

  /** Events after number `after` until the server ends the stream. @throws Unavailable when the connection breaks */
  async *events(runId: string, after: number, options: EventOptions = {}): AsyncGenerator<ClientEvent> {
    const { signal, silenceMs } = options;
    const silence = new AbortController();
    const timer = silenceMs === undefined ? null : setTimeout(() => silence.abort(new Error('silence')), silenceMs);
    try {
      const response = await this.send(`/v1/research/${encodeURIComponent(runId)}/events`, {
        headers: { 'last-event-id': String(after) },
        signal: AbortSignal.any([silence.signal, ...(signal === undefined ? [] : [signal])]),
      });
      for await (const block of blocksOf(response, () => timer?.refresh())) yield* parseBlock(block);
    } catch (cause) {
      if (cause instanceof ArgosyError) throw cause;
      throw new Unavailable(`The event stream of ${this.url} broke off: ${messageOf(cause)}`, { cause });
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  }

  /**
   * Sends one request.
   * @param limitMs how long the server may take to begin its answer, the sending of the body included
   * @throws Unavailable when none comes; Refused when it is no
   */
  async send(path: string, init: RequestInit = {}, limitMs = answerMs): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#apiKey !== undefined) headers.set('authorization', `Bearer ${this.#apiKey}`);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
    const signal = AbortSignal.any([late.signal, ...(init.signal ? [init.signal] : [])]);
    let response: Response;
    try {
      response = await fetch(new URL(path, this.url), { ...init, headers, signal });
    } catch (cause) {
      throw new Unavailable(`No Argosy server answers at ${this.url}. Start one with: npm start`, { cause });
    } finally {
      clearTimeout(timer);
    }
    if (response.ok) return response;
    const parsed = errorResource.safeParse(await response.json().catch(() => null));
    const { code, message } = parsed.success
      ? parsed.data.error
      : { code: 'http', message: `${this.url}${path} answered ${response.status}` };
    throw new Refused(response.status, code, message, retryAfterMs(response));
  }

  async #read<T>(schema: z.ZodType<T>, path: string, init: RequestInit = {}): Promise<T> {
    const parsed = schema.safeParse(await (await this.send(path, init)).json().catch(() => undefined));
    if (parsed.success) return parsed.data;
    const [{ path: place, message } = { path: [], message: 'nothing' }] = parsed.error.issues;
    const what = `${place.join('.') || 'the whole'}: ${message}`;
    throw new NotUnderstood(
      `${this.url}${path} answered in a form that this argosy does not read (${what}). Ask with the argosy of the server's release.`,
    );
  }
}

/** Both forms of the header: seconds, or a date. */
function retryAfterMs({ headers }: Response): number | null {
  const text = headers.get('retry-after') ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

/** The blank-line separated blocks of an event stream, as they are complete. */
async function* blocksOf(response: Response, onBytes: () => void): AsyncGenerator<string> {
  if (response.body === null) return;
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    onBytes();
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    yield* blocks;
  }
}

function parseBlock(block: string): ClientEvent[] {
  const fields = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf(': ');
      return [line.slice(0, at), line.slice(at + 2)] as const;
    }),
  );
  const [id, type, data] = [fields.get('id'), fields.get('event'), fields.get('data')];
  if (type === undefined || data === undefined) return [];
  return [{ id: id === undefined ? null : Number(id), type, data: JSON.parse(data) as Record<string, unknown> }];
}
