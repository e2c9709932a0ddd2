/** An OpenAI-compatible server on loopback that plays a script. For tests only: it checks nothing and generates nothing. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { InvalidState } from '#errors';

/** What a client sent to `/v1/chat/completions`. */
export interface RecordedRequest {
  readonly headers: IncomingMessage['headers'];
  readonly body: ChatBody;
}

export interface ChatBody {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly stream?: boolean;
  readonly stop?: readonly string[];
  readonly max_tokens?: number;
  readonly [field: string]: unknown;
}

/** What goes wrong instead of, or in the middle of, a reply. */
export type ServerFault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Accepts the request and never answers; with `afterBytes`, falls silent in the middle of the body. */
  | { readonly kind: 'hang'; readonly afterBytes?: number }
  /** Destroys the connection after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Ends the body in order after so many bytes, without a last chunk or `[DONE]`. */
  | { readonly kind: 'end'; readonly afterBytes: number }
  /** An error event in the stream after the text. */
  | { readonly kind: 'error-event'; readonly error: unknown }
  /** A body of another type with status 200. */
  | { readonly kind: 'page'; readonly type: string; readonly body: string };

export interface ServerTurn {
  readonly text?: string;
  /** Sent apart as `reasoning_content`, before the text. */
  readonly reasoning?: string;
  /** Sent apart as `tool_calls`, after the text; `args` as they are, in pieces. */
  readonly calls?: readonly { readonly name: string; readonly args: string }[];
  /** The model that the server names as the author. Default: the one asked for. */
  readonly model?: string;
  /** Code points of text in one event. Default 8. */
  readonly eventCharacters?: number;
  /** Bytes in one write, so that events, lines and UTF-8 characters are split. Default: whole events. */
  readonly writeBytes?: number;
  /** The reply begins, and nothing of its text comes before this. */
  readonly after?: Promise<unknown>;
  /** Wait before each write. Default 0. */
  readonly delayMs?: number;
  /** Default: characters / 4. `none`: as a server without usage. */
  readonly usage?: 'none' | { readonly prompt: number; readonly completion: number; readonly cached?: number };
  /** Default `stop`, with calls `tool_calls`. */
  readonly finishReason?: string;
  readonly fault?: ServerFault;
}

/** Says what comes to a request; `index` counts the requests from 0. */
export type Player = (request: RecordedRequest, index: number) => string | ServerTurn;

/** A turn may depend on the request. */
export type ScriptedTurn = string | ServerTurn | Player;

export interface ModelServer {
  /** `http://127.0.0.1:<port>/v1` */
  readonly baseUrl: string;
  /** In order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** Resolves when so many requests have arrived. */
  arrived(count: number): Promise<void>;
  /** Ends open connections too. */
  close(): Promise<void>;
}

export interface ModelServerOptions {
  /** Listed under `/v1/models`. Default `scripted`. */
  readonly model?: string;
  /** 0, the default: any free port. */
  readonly port?: number;
  /** Who asks. `test`, the default, is believed only where NODE_ENV says so, as it does under jest. */
  readonly purpose?: 'test' | 'benchmark';
}

/**
 * @param script one turn for each request in order, or one function for all; a request beyond its end gets status 400,
 *   which no client retries
 * @throws InvalidState outside tests and benchmarks: what it plays must never be taken for a model's work
 */
export async function startModelServer(
  script: readonly ScriptedTurn[] | Player,
  options: ModelServerOptions = {},
): Promise<ModelServer> {
  refuseToMislead(options);
  const requests: RecordedRequest[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (incoming.url?.split('?')[0] === '/v1/models') {
      return sendJson(response, 200, { object: 'list', data: [{ id: options.model ?? 'scripted', object: 'model' }] });
    }
    if (incoming.url?.split('?')[0] !== '/v1/chat/completions') {
      return sendJson(response, 404, { error: { message: `no route ${incoming.method} ${incoming.url}` } });
    }
    const request = { headers: incoming.headers, body: JSON.parse(await bodyOf(incoming)) as ChatBody };
    const index = requests.push(request) - 1;
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve();
    const scripted = typeof script === 'function' ? script : script[index];
    if (scripted === undefined) {
      return sendJson(response, 400, { error: { message: `the script has only ${script.length} turns` } });
    }
    const turn = typeof scripted === 'function' ? scripted(request, index) : scripted;
    await play(typeof turn === 'string' ? { text: turn } : turn, request.body, response);
  };
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  // A TCP server's address is never a pipe name.
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    arrived: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function refuseToMislead({ purpose = 'test' }: ModelServerOptions): void {
  const { NODE_ENV = '' } = process.env;
  if (purpose === 'benchmark' || NODE_ENV === 'test') return;
  throw new InvalidState(
    `The scripted model server plays a script and knows nothing: it starts in tests only, and NODE_ENV is "${NODE_ENV}". In a test, run it under jest or set NODE_ENV=test; in a benchmark, give purpose: 'benchmark'; for research, set ARGOSY_MODEL to a real model.`,
  );
}

async function play(turn: ServerTurn, body: ChatBody, response: ServerResponse): Promise<void> {
  const { fault } = turn;
  if (fault?.kind === 'status') {
    const error = { error: { message: fault.message ?? `scripted ${fault.status}` } };
    return sendJson(response, fault.status, error, fault.headers);
  }
  if (fault?.kind === 'page') {
    response.writeHead(200, { 'content-type': fault.type }).end(fault.body);
    return;
  }
  if (fault?.kind === 'hang' && fault.afterBytes === undefined) return;
  if (body.stream !== true) return sendJson(response, 200, wholeReply(turn, body));
  const endsAt = fault && 'afterBytes' in fault ? (fault.afterBytes ?? 0) : Infinity;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (turn.after !== undefined) {
    response.flushHeaders();
    await turn.after;
  }
  let sent = 0;
  for (const piece of pieces(eventsOf(turn, body), turn.writeBytes)) {
    const rest = endsAt - sent;
    if (turn.delayMs) await setTimeout(turn.delayMs);
    if (response.destroyed) return;
    await write(response, piece.subarray(0, Math.min(rest, piece.length)));
    sent += piece.length;
    if (sent >= endsAt) break;
  }
  if (fault?.kind === 'cut') response.destroy();
  else if (fault?.kind !== 'hang') response.end();
}

/** Resolves on a later turn of the event loop, so that writes are not gathered into one. */
async function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => response.write(bytes, () => resolve()));
  await setImmediate();
}

function* pieces(events: readonly string[], writeBytes: number | undefined): Generator<Uint8Array> {
  if (writeBytes === undefined) {
    for (const event of events) yield Buffer.from(event);
    return;
  }
  const bytes = Buffer.from(events.join(''));
  for (let at = 0; at < bytes.length; at += writeBytes) yield bytes.subarray(at, at + writeBytes);
}

function eventsOf(turn: ServerTurn, body: ChatBody): string[] {
  const size = turn.eventCharacters ?? 8;
  const common = { id: 'chatcmpl-scripted', object: 'chat.completion.chunk', model: turn.model ?? body.model };
  const event = (fields: object): string => `data: ${JSON.stringify({ ...common, ...fields })}\n\n`;
  const delta = (fields: object, finish_reason: string | null = null): string =>
    event({ choices: [{ index: 0, delta: fields, finish_reason }] });
  const events = [delta({ role: 'assistant', content: '' })];
  for (const part of inParts(turn.reasoning ?? '', size)) events.push(delta({ reasoning_content: part }));
  for (const part of inParts(turn.text ?? '', size)) events.push(delta({ content: part }));
  for (const [index, { name, args }] of (turn.calls ?? []).entries()) {
    events.push(delta({ tool_calls: [{ index, ...nativeCall(index, name, '') }] }));
    for (const part of inParts(args, size))
      events.push(delta({ tool_calls: [{ index, function: { arguments: part } }] }));
  }
  if (turn.fault?.kind === 'error-event') return [...events, event({ error: turn.fault.error })];
  events.push(delta({}, finishOf(turn)));
  const usage = usageOf(turn, body);
  if (usage) events.push(event({ choices: [], usage }));
  return [...events, 'data: [DONE]\n\n'];
}

function nativeCall(index: number, name: string, args: string): object {
  return { id: `server-${index}`, type: 'function', function: { name, arguments: args } };
}

function finishOf({ finishReason, calls }: ServerTurn): string {
  return finishReason ?? (calls ? 'tool_calls' : 'stop');
}

function inParts(text: string, size: number): string[] {
  const points = [...text];
  const parts: string[] = [];
  for (let at = 0; at < points.length; at += size) parts.push(points.slice(at, at + size).join(''));
  return parts;
}

function wholeReply(turn: ServerTurn, body: ChatBody): object {
  const tool_calls = turn.calls?.map(({ name, args }, index) => nativeCall(index, name, args));
  const message = { role: 'assistant', content: turn.text ?? '', reasoning_content: turn.reasoning, tool_calls };
  return {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    model: turn.model ?? body.model,
    choices: [{ index: 0, message, finish_reason: finishOf(turn) }],
    usage: usageOf(turn, body),
  };
}

function usageOf({ usage, text = '', reasoning = '' }: ServerTurn, body: ChatBody): object | undefined {
  if (usage === 'none') return undefined;
  const prompt = usage?.prompt ?? Math.ceil(body.messages.reduce((sum, { content }) => sum + content.length, 0) / 4);
  const completion = usage?.completion ?? Math.ceil((text.length + reasoning.length) / 4);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: usage?.cached ?? 0 },
  };
}

function sendJson(
  response: ServerResponse,
  status: number,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
