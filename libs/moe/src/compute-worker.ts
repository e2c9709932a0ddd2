import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DeadlineExceeded, Unavailable } from '#errors';
import type { Holding, Output, Reply, Request, Task } from './task.ts';

interface Pending {
  readonly resolve: (output: Output) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** One thread that computes. Keeps the process alive only while a task is under way. */
export class ComputeWorker {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #limitMs: number;
  #lastCall = 0;
  #dead: Error | null = null;

  /**
   * @param limitMs for one task, the time that it waits for others included
   * @param entry what the thread runs: compute-thread, but in the test of a thread that dies
   */
  constructor(limitMs: number, entry: URL) {
    const typescript = extname(entry.pathname) === '.ts';
    const execArgv = typescript ? ['--conditions=source', '--disable-warning=ExperimentalWarning'] : [];
    this.#worker = new Worker(entry, { execArgv });
    this.#limitMs = limitMs;
    this.#worker.on('message', (reply: Reply) => this.#onReply(reply));
    this.#worker.on('error', (cause) => this.#onEnd(new Unavailable('A compute thread has died.', { cause })));
    this.#worker.on('exit', () => this.#onEnd(new Unavailable('A compute thread has ended.')));
    this.#worker.unref();
  }

  /** Tasks under way and waiting. */
  get load(): number {
    return this.#pending.size;
  }

  /** Weights must lie in shared memory: they are not copied. */
  hold(id: number, holding: Holding): void {
    this.#post({ kind: 'hold', id, holding });
  }

  drop(id: number): void {
    this.#post({ kind: 'drop', id });
  }

  /** @throws Unavailable (the thread is gone), DeadlineExceeded (and the thread with it) */
  run(task: Task): Promise<Output> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#onEnd(new DeadlineExceeded(`A compute thread`, this.#limitMs)),
        this.#limitMs,
      );
      this.#pending.set(call, { resolve, reject, timer });
      this.#worker.ref();
      // A view on a larger buffer would be sent with all of it.
      const x = task.x.slice();
      this.#post({ kind: 'run', call, task: { ...task, x } }, [x.buffer]);
    });
  }

  async close(): Promise<void> {
    this.#onEnd(new Unavailable('The compute backend is closed.'));
    await this.#worker.terminate();
  }

  #post(request: Request, handed: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, handed);
  }

  #onReply(reply: Reply): void {
    const pending = this.#settle(reply.call);
    switch (reply.kind) {
      case 'done':
        pending?.resolve(reply.output);
        return;
      case 'failed':
        pending?.reject(new Error(reply.message));
    }
  }

  #settle(call: number): Pending | undefined {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    clearTimeout(pending?.timer);
    if (this.#pending.size === 0) this.#worker.unref();
    return pending;
  }

  #onEnd(why: Error): void {
    this.#dead ??= why;
    for (const call of [...this.#pending.keys()]) this.#settle(call)?.reject(this.#dead);
  }
}
