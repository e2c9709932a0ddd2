import { z } from 'zod';
import {
  type AcceptedResource,
  acceptedResource,
  errorResource,
  type ResearchBody,
  type RunResource,
  runResource,
} from '#contracts';
import { ArgosyError, messageOf, Unavailable } from '#errors';

/** The gateway understood the request and refused it. */
export class Refused extends ArgosyError {
  override readonly name = 'Refused';
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryable = status === 429 || status === 503;
  }
}

/** A server-sent event; durable ones have an id. */
export interface ClientEvent {
  readonly id: number | null;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

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
    return acceptedResource.parse(await (await this.#send('/v1/research', init)).json());
  }

  async get(runId: string): Promise<RunResource> {
    return runResource.parse(await (await this.#send(`/v1/research/${encodeURIComponent(runId)}`)).json());
  }

  /** Newest first. */
  async list(limit: number): Promise<RunResource[]> {
    return runPage.parse(await (await this.#send(`/v1/research?limit=${limit}`)).json()).data;
  }

  async cancel(runId: string): Promise<void> {
    await this.#send(`/v1/research/${encodeURIComponent(runId)}/cancel`, { method: 'POST' });
  }

  async snapshot(runId: string, sha256: string): Promise<string> {
    return await (await this.#send(`/v1/research/${encodeURIComponent(runId)}/snapshots/${sha256}`)).text();
  }

  /** Events after number `after` until the server ends the stream. @throws Unavailable when the connection breaks */
  async *events(runId: string, after: number): AsyncGenerator<ClientEvent> {
    const response = await this.#send(`/v1/research/${encodeURIComponent(runId)}/events`, {
      headers: { 'last-event-id': String(after) },
    });
    if (response.body === null) return;
    let rest = '';
    try {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + chunk).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) yield* parseBlock(block);
      }
    } catch (cause) {
      throw new Unavailable(`The event stream of ${this.url} broke off: ${messageOf(cause)}`, { cause });
    }
  }

  async #send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#apiKey !== undefined) headers.set('authorization', `Bearer ${this.#apiKey}`);
    let response: Response;
    try {
      response = await fetch(new URL(path, this.url), { ...init, headers });
    } catch (cause) {
      throw new Unavailable(`No Argosy server answers at ${this.url}. Start one with: npm start`, { cause });
    }
    if (response.ok) return response;
    const parsed = errorResource.safeParse(await response.json().catch(() => null));
    const { code, message } = parsed.success
      ? parsed.data.error
      : { code: 'http', message: `${this.url}${path} answered ${response.status}` };
    throw new Refused(response.status, code, message);
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
