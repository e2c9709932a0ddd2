/**
 * A server in the shape of vLLM's, for tests and benchmarks: written from vLLM's documentation (serving/openai_compatible_server,
 * usage/metrics) and the protocol files of its sources at 002032e, without a line of it. What it says is a hash of what it
 * is asked, so it says the same each time; its prefix cache and its faults are real ones.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Tokenizer } from '#tokens';
import { type CompletionBody, logprobsOf, nextToken, VisibleText } from './vllm-words.ts';

/** What goes wrong with one request. */
export type VllmFault =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string; readonly message?: string }
  /** Takes the request and says nothing; with tokens, falls silent behind so many. */
  | { readonly kind: 'hang'; readonly afterTokens?: number }
  /** Destroys the connection behind so many tokens. */
  | { readonly kind: 'cut'; readonly afterTokens: number }
  /** Ends the answer in order behind so many tokens, without a reason and without usage. */
  | { readonly kind: 'end'; readonly afterTokens: number }
  | { readonly kind: 'error-event'; readonly afterTokens: number; readonly message: string }
  /** An event that is no JSON. */
  | { readonly kind: 'garbage'; readonly afterTokens: number }
  /** Another answer with status 200. */
  | { readonly kind: 'page'; readonly type: string; readonly body: string }
  /** As a release before token ids were given. */
  | { readonly kind: 'no-ids' };

export interface VllmOptions {
  readonly tokenizer: Tokenizer;
  /** Default 2,000. */
  readonly contextTokens?: number;
  /** Default 1,000 blocks of 16. */
  readonly blocks?: number;
  /** Between two tokens. Default 0. */
  readonly paceMs?: number;
  readonly apiKey?: string;
  /** `--enable-prompt-tokens-details`. Default true. */
  readonly tellsCached?: boolean;
  readonly engine?: 'vllm' | 'sglang';
  readonly port?: number;
}

const blockTokens = 16;

export class VllmServer {
  readonly requests: CompletionBody[] = [];
  /** Of each of them: whose span it was asked by. */
  readonly traceparents: unknown[] = [];
  /** One for each request to come, in order; undefined for none. */
  readonly faults: (VllmFault | undefined)[] = [];
  health: 'well' | 'ill' | 'hangs' = 'well';
  metrics: 'there' | 'gone' | 'garbage' = 'there';
  /** Requests whose caller closed the connection before the end. */
  abandoned = 0;
  /** Waited for before each token. */
  gate: (token: number) => Promise<void> = async () => {};
  #running = 0;
  readonly #options: VllmOptions;
  readonly #server: Server;
  readonly #cache = new Map<string, number[][]>();
  #changed = Promise.withResolvers<void>();

  private constructor(options: VllmOptions) {
    this.#options = options;
    this.#server = createServer((incoming, response) => {
      this.#answer(incoming, response).catch((error: unknown) =>
        response.destroy(error instanceof Error ? error : undefined),
      );
    });
  }

  static async start(options: VllmOptions): Promise<VllmServer> {
    const started = new VllmServer(options);
    await new Promise<void>((resolve) => started.#server.listen(options.port ?? 0, '127.0.0.1', resolve));
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // a TCP server's address is never a pipe name
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves when this holds, asked again with each request that comes or ends. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#changed.promise;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #note(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { tokenizer, apiKey, contextTokens = 2_000, engine = 'vllm' } = this.#options;
    const path = incoming.url ?? '';
    if (apiKey !== undefined && path.startsWith('/v1/') && incoming.headers.authorization !== `Bearer ${apiKey}`) {
      return sendJson(response, 401, { error: 'Unauthorized' });
    }
    switch (path) {
      case '/health':
        if (this.health !== 'hangs') response.writeHead(this.health === 'well' ? 200 : 503).end();
        return;
      case '/metrics':
        return this.#sendMetrics(response);
      case '/version':
      case '/get_server_info':
        return sendJson(response, 200, { version: '0.0.0.test' });
      case '/v1/models': {
        const card = { id: 'shaped', object: 'model', owned_by: engine, max_model_len: contextTokens };
        return sendJson(response, 200, { object: 'list', data: [card] });
      }
      case '/tokenize': {
        const { prompt } = JSON.parse(await bodyOf(incoming)) as { readonly prompt: string };
        const tokens = tokenizer.encode(prompt);
        return sendJson(response, 200, { count: tokens.length, max_model_len: contextTokens, tokens });
      }
      case '/v1/completions':
        this.traceparents.push(incoming.headers['traceparent']);
        return await this.#complete(JSON.parse(await bodyOf(incoming)) as CompletionBody, response);
      default:
        return sendJson(response, 404, { detail: 'Not Found' });
    }
  }

  #sendMetrics(response: ServerResponse): void {
    const { blocks = 1_000, engine = 'vllm' } = this.#options;
    if (this.metrics === 'gone') {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
    if (this.metrics === 'garbage') {
      response.end('<html>{{{ no metrics\nvllm:num_requests_running{engine="0"} soon\n');
      return;
    }
    const labels = `{engine="0",model_name="shaped"}`;
    const used = [...this.#cache.values()].flat().reduce((sum, { length }) => sum + Math.ceil(length / blockTokens), 0);
    const rows =
      engine === 'vllm'
        ? [
            `vllm:num_requests_running${labels} ${this.#running}.0`,
            `vllm:num_requests_waiting${labels} 0.0`,
            `vllm:kv_cache_usage_perc${labels} ${Math.min(1, used / blocks)}`,
            `vllm:num_preemptions_total${labels} 0.0`,
            `vllm:cache_config_info{block_size="${blockTokens}",engine="0",num_gpu_blocks="${blocks}"} 1.0`,
          ]
        : [`sglang:num_running_reqs${labels} ${this.#running}`, `sglang:num_queue_reqs${labels} 0`];
    response.end(`# TYPE vllm:num_requests_running gauge\n${rows.join('\n')}\n`);
  }

  async #complete(body: CompletionBody, response: ServerResponse): Promise<void> {
    const fault = this.faults.shift();
    this.requests.push(body);
    this.#note();
    const { contextTokens = 2_000 } = this.#options;
    if (fault?.kind === 'status') {
      const { status, retryAfter, message = `scripted ${status}` } = fault;
      const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
      return sendJson(response, status, errorOf(message, status), headers);
    }
    if (fault?.kind === 'page') {
      response.writeHead(200, { 'content-type': fault.type }).end(fault.body);
      return;
    }
    if (fault?.kind === 'hang' && fault.afterTokens === undefined) return;
    if (body.prompt.length + body.max_tokens > contextTokens) {
      const message = `This model's maximum context length is ${contextTokens} tokens.`;
      return sendJson(response, 400, errorOf(message, 400));
    }
    response.once('close', () => {
      this.#running -= 1;
      if (!response.writableFinished) this.abandoned += 1;
      this.#note();
    });
    this.#running += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    await this.#stream(body, response, fault);
  }

  async #stream(body: CompletionBody, response: ServerResponse, fault: VllmFault | undefined): Promise<void> {
    const cached = this.#cachedOf(body);
    const ids: number[] = [];
    const text = new VisibleText(this.#options.tokenizer, body.stop ?? []);
    const endsAt = fault && 'afterTokens' in fault ? (fault.afterTokens ?? Infinity) : Infinity;
    const common = { id: 'cmpl-shaped', object: 'text_completion', created: 1, model: body.model };
    for (let finish: string | null = null; finish === null; ) {
      if (ids.length >= endsAt) return this.#fail(fault, response);
      await this.gate(ids.length);
      if (this.#options.paceMs) await setTimeout(this.#options.paceMs);
      if (response.destroyed) return;
      const id = nextToken(body, ids, this.#options.tokenizer);
      ids.push(id);
      const piece = text.push(id);
      finish = text.stop !== null ? 'stop' : ids.length >= body.max_tokens ? 'length' : null;
      const choice = {
        index: 0,
        text: finish === 'length' ? piece + text.end() : piece,
        logprobs: logprobsOf(body, id),
        finish_reason: finish,
        stop_reason: text.stop,
        ...(ids.length === 1 && { prompt_token_ids: body.prompt }),
        ...(fault?.kind !== 'no-ids' && { token_ids: [id] }),
      };
      await write(response, { ...common, choices: [choice] });
    }
    this.#keep(body, ids);
    const usage = {
      prompt_tokens: body.prompt.length,
      completion_tokens: ids.length,
      total_tokens: body.prompt.length + ids.length,
      ...(this.#options.tellsCached !== false && { prompt_tokens_details: { cached_tokens: cached } }),
    };
    await write(response, { ...common, choices: [], usage });
    response.end('data: [DONE]\n\n');
  }

  #fail(fault: VllmFault | undefined, response: ServerResponse): void {
    switch (fault?.kind) {
      case 'cut':
        response.destroy();
        return;
      case 'end':
        response.end();
        return;
      case 'error-event':
        response.end(`data: ${JSON.stringify(errorOf(fault.message, 500))}\n\ndata: [DONE]\n\n`);
        return;
      case 'garbage':
        response.end('data: {"choices": [{"te\n\n');
        return;
    }
  }

  /** Whole blocks of a text that was computed before, under the same salt; the last token is always computed. */
  #cachedOf({ prompt, cache_salt: salt = '' }: CompletionBody): number {
    const shared = (this.#cache.get(salt) ?? []).map((known) => {
      let same = 0;
      while (same < Math.min(known.length, prompt.length - 1) && known[same] === prompt[same]) same++;
      return same;
    });
    return Math.floor(Math.max(0, ...shared) / blockTokens) * blockTokens;
  }

  #keep({ prompt, cache_salt: salt = '' }: CompletionBody, ids: readonly number[]): void {
    const kept = [...(this.#cache.get(salt) ?? []), [...prompt, ...ids]];
    this.#cache.set(salt, kept.slice(-8));
  }
}

function errorOf(message: string, code: number): object {
  return { error: { message, type: 'BadRequestError', param: null, code } };
}

async function write(response: ServerResponse, event: object): Promise<void> {
  await new Promise<void>((resolve) => response.write(`data: ${JSON.stringify(event)}\n\n`, () => resolve()));
  await setImmediate();
}

function sendJson(response: ServerResponse, status: number, body: object, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  let body = '';
  for await (const piece of incoming.setEncoding('utf8')) body += piece as string;
  return body;
}
