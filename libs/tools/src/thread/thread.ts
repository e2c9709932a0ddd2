import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Aborted, DeadlineExceeded, InvalidInput, NotFound, type Problem, Unavailable } from '#errors';

/** How an error crosses the thread border: classes do not survive the copy, names and fields do. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly problems?: readonly Problem[];
}

/** What a thread posts back. */
export type Reply =
  | { readonly id: number; readonly kind: 'progress'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly error: WireError };

/** What a thread is sent. */
export type Request =
  | { readonly id: number; readonly kind: 'call'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'abort' };

/** `timeoutMs` counts from the call; on expiry the call fails with {@link DeadlineExceeded} and the thread is suspect. */
export interface CallOptions {
  readonly what: string;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((value: unknown) => void) | undefined;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((value: unknown) => void) | undefined;
  readonly release: () => void;
}

/** One worker thread with a call-and-reply protocol. Keeps the process alive only while a call is under way. */
export class Thread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #name: string;
  #nextId = 1;
  #dead = false;

  private constructor(worker: Worker, name: string) {
    this.#worker = worker;
    this.#name = name;
    worker.on('message', (reply: Reply) => this.#onReply(reply));
    worker.on('error', (error) => this.#onDeath(error));
    worker.on('exit', () => this.#onDeath(null));
    worker.unref();
  }

  /**
   * Starts `./<name>` beside the module `parentUrl`, as TypeScript when the parent is TypeScript.
   * @param heapMb limit of the thread's own heap; past it the thread dies and its calls fail
   */
  static spawn(name: string, parentUrl: string, heapMb: number): Thread {
    const extension = extname(new URL(parentUrl).pathname);
    const execArgv = extension === '.ts' ? ['--conditions=source', '--disable-warning=ExperimentalWarning'] : [];
    const url = new URL(`./${name}${extension}`, parentUrl);
    return new Thread(new Worker(url, { execArgv, resourceLimits: { maxOldGenerationSizeMb: heapMb } }), name);
  }

  get dead(): boolean {
    return this.#dead;
  }

  /**
   * Sends one request and waits for its answer.
   * @throws Aborted, DeadlineExceeded, Unavailable (the thread died), or what the thread's handler threw
   */
  call(value: unknown, options: CallOptions): Promise<unknown> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(abortedBy(signal, options.what));
    if (this.#dead)
      return Promise.reject(new Unavailable(`The ${this.#name} stopped; the next call starts a new one.`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#post({ id, kind: 'abort' });
        this.#settle(id)?.reject(signal ? abortedBy(signal, options.what) : new Aborted(`${options.what} was stopped`));
      };
      const limitMs = options.timeoutMs;
      const onTimeout = () => this.#settle(id)?.reject(new DeadlineExceeded(options.what, limitMs ?? 0));
      const timer = limitMs === undefined ? undefined : setTimeout(onTimeout, limitMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      const release = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      this.#pending.set(id, { resolve, reject, onProgress: options.onProgress, release });
      this.#worker.ref();
      this.#post({ id, kind: 'call', value });
    });
  }

  /** Ends the thread at once; calls under way fail. */
  async terminate(): Promise<void> {
    this.#onDeath(null);
    await this.#worker.terminate();
  }

  #post(request: Request): void {
    this.#worker.postMessage(request);
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.release();
    if (this.#pending.size === 0) this.#worker.unref();
    return pending;
  }

  #onReply(reply: Reply): void {
    switch (reply.kind) {
      case 'progress':
        this.#pending.get(reply.id)?.onProgress?.(reply.value);
        return;
      case 'done':
        this.#settle(reply.id)?.resolve(reply.value);
        return;
      case 'failed':
        this.#settle(reply.id)?.reject(revive(reply.error));
    }
  }

  #onDeath(cause: unknown): void {
    this.#dead = true;
    for (const id of [...this.#pending.keys()]) {
      const why = cause instanceof Error ? `: ${cause.message}` : '';
      this.#settle(id)?.reject(new Unavailable(`The ${this.#name} stopped before it answered${why}`, { cause }));
    }
  }
}

function abortedBy(signal: AbortSignal, what: string): Aborted {
  return new Aborted(`${what} was stopped`, { cause: signal.reason });
}

function revive({ name, message, problems }: WireError): Error {
  switch (name) {
    case 'InvalidInput':
      return new InvalidInput(problems ?? [{ path: '', message }]);
    case 'NotFound':
      return new NotFound(message);
    case 'Aborted':
      return new Aborted(message);
    case 'Unavailable':
    case 'DeadlineExceeded':
      return new Unavailable(message);
    default:
      return new Error(`${name}: ${message}`);
  }
}
