import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Unavailable } from '#errors';
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
  readonly #onDeath: (why: Error) => void;
  #lastCall = 0;
  #dead: Error | null = null;

  /**
   * @param limitMs for one task, the time that it waits for others included
   * @param entry what the thread runs: compute-thread, but in the test of a thread that dies
   * @param onDeath is told once when the thread has died or is given up; not when it is closed
   */
  constructor(limitMs: number, entry: URL, onDeath: (why: Error) => void = () => undefined) {
    const typescript = extname(entry.pathname) === '.ts';
    const execArgv = typescript ? ['--conditions=source', '--disable-warning=ExperimentalWarning'] : [];
    this.#worker = new Worker(entry, { execArgv });
    this.#limitMs = limitMs;
    this.#onDeath = onDeath;
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

  /** @throws Unavailable when the thread is gone, or is given up because this takes too long */
  run(task: Task): Promise<Output> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      const late = `A compute thread gave no result within ${this.#limitMs} ms.`;
      const timer = setTimeout(() => this.#onEnd(new Unavailable(late)), this.#limitMs);
      this.#pending.set(call, { resolve, reject, timer });
      this.#worker.ref();
      // A view on a larger buffer would be sent with all of it.
      const x = task.x.slice();
      this.#post({ kind: 'run', call, task: { ...task, x } }, [x.buffer]);
    });
  }

  async close(): Promise<void> {
    this.#fail(new Unavailable('The compute backend is closed.'));
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
    if (this.#dead !== null) return;
    this.#fail(why);
    this.#onDeath(why);
  }

  #fail(why: Error): void {
    this.#dead ??= why;
    for (const call of [...this.#pending.keys()]) this.#settle(call)?.reject(this.#dead);
  }
}
