import { parentPort } from 'node:worker_threads';
import { InvalidInput, messageOf } from '#errors';
import type { Reply, Request, WireError } from './thread.ts';

/** What a handler gets besides the request: the caller's cancel and a way to tell how far it is. */
export interface ServeContext {
  readonly signal: AbortSignal;
  readonly progress: (value: unknown) => void;
}

/** Answers the calls of the {@link Thread} that spawned this one. Calls run as they come; a handler may be asynchronous. */
export function serve(handle: (request: unknown, context: ServeContext) => unknown): void {
  const port = parentPort;
  if (!port) throw new Error('serve() belongs in a worker thread');
  const running = new Map<number, AbortController>();
  const send = (reply: Reply) => port.postMessage(reply);
  const run = async (id: number, value: unknown) => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const progress = (state: unknown) => send({ id, kind: 'progress', value: state });
      send({ id, kind: 'done', value: await handle(value, { signal: controller.signal, progress }) });
    } catch (error) {
      send({ id, kind: 'failed', error: flatten(error) });
    } finally {
      running.delete(id);
    }
  };
  port.on('message', (request: Request) => {
    if (request.kind === 'abort') running.get(request.id)?.abort();
    else void run(request.id, request.value);
  });
}

function flatten(error: unknown): WireError {
  const name = error instanceof Error ? error.name : 'Error';
  const problems = error instanceof InvalidInput ? { problems: error.problems } : {};
  return { name, message: messageOf(error), ...problems };
}
