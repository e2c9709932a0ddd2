import type { Readable, Writable } from 'node:stream';
import { DeadlineExceeded, messageOf, Unavailable } from '#errors';

/** What the browser tells unasked. */
export interface DevToolsEvent {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

interface Pending {
  readonly resolve: (result: Readonly<Record<string, unknown>>) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message?: string };
}

/** Of a longer message nothing is kept: we ask for none, and a page can have one sent by an address without end. */
const LONGEST_MESSAGE_BYTES = 64 * 1024 * 1024;
const ANSWER_MS = 10_000;

/**
 * The Chrome DevTools protocol over the two pipes of `--remote-debugging-pipe` (messages of JSON that end with a NUL
 * byte): no port that anybody else could reach, and a browser that ends when we do.
 */
export class DevTools {
  readonly #input: Writable;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<string, (event: DevToolsEvent) => void>();
  readonly #onBroken: (why: string) => void;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #nextId = 1;
  #closed = false;

  /** @param onBroken called once when the browser went away or talks nonsense */
  constructor(input: Writable, output: Readable, onBroken: (why: string) => void) {
    this.#input = input;
    this.#onBroken = onBroken;
    input.on('error', (error) => this.#break(messageOf(error)));
    output.on('error', (error) => this.#break(messageOf(error)));
    output.on('data', (bytes: Buffer) => this.#receive(bytes));
    output.on('close', () => this.#break('it ended'));
  }

  /**
   * Asks the browser, or with `session` one page of it.
   * @throws Unavailable when the browser refuses or is gone, DeadlineExceeded without an answer in time
   */
  send(
    method: string,
    params: Readonly<Record<string, unknown>>,
    { session, limitMs = ANSWER_MS }: { readonly session?: string; readonly limitMs?: number } = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    if (this.#closed) return Promise.reject(new Unavailable('The browser is gone; the next page starts a new one.'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const late = () => this.#settle(id)?.reject(new DeadlineExceeded(`The browser's ${method}`, limitMs));
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, limitMs) });
      const message = { id, method, params, ...(session !== undefined && { sessionId: session }) };
      this.#input.write(`${JSON.stringify(message)}\0`);
    });
  }

  /** Hears what one page tells, until the returned function is called. */
  listen(session: string, hear: (event: DevToolsEvent) => void): () => void {
    this.#listeners.set(session, hear);
    return () => this.#listeners.delete(session);
  }

  /** Lets go of everything that waits. */
  close(): void {
    this.#closed = true;
    const gone = new Unavailable('The browser was ended.');
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(gone);
    this.#listeners.clear();
    this.#parts = [];
  }

  #receive(bytes: Buffer): void {
    let from = 0;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, from)) {
      this.#keep(bytes.subarray(from, end));
      const message = this.#partBytes > LONGEST_MESSAGE_BYTES ? null : Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#partBytes = 0;
      from = end + 1;
      if (message !== null) this.#handle(message);
    }
    this.#keep(bytes.subarray(from));
  }

  #keep(part: Buffer): void {
    this.#partBytes += part.length;
    if (this.#partBytes > LONGEST_MESSAGE_BYTES) this.#parts = [];
    else this.#parts.push(part);
  }

  #handle(text: string): void {
    const message = JSON.parse(text) as Message; // the browser's own words, not a page's
    if (message.id === undefined) {
      const { method, params = {}, sessionId = '' } = message;
      if (method !== undefined) this.#listeners.get(sessionId)?.({ method, params });
      return;
    }
    const pending = this.#settle(message.id);
    if (message.error) pending?.reject(new Unavailable(`The browser refused: ${message.error.message ?? 'no reason'}`));
    else pending?.resolve(message.result ?? {});
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }

  #break(why: string): void {
    if (this.#closed) return;
    this.close();
    this.#onBroken(why);
  }
}
