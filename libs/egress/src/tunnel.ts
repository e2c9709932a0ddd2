import type { Socket } from 'node:net';
import type { Flow } from './flow.ts';

/**
 * Carries bytes between two open sockets until both are closed. One side's end is passed on while the other may go on; an
 * error, or the flow's signal, ends both at once.
 * @param head what the client sent before the tunnel was there
 * @throws the reason of the flow's signal
 */
export async function tunnel(client: Socket, upstream: Socket, head: Uint8Array, flow: Flow): Promise<void> {
  const drop = (): void => {
    client.destroy();
    upstream.destroy();
  };
  client.on('data', (bytes: Buffer) => flow.send(bytes.length));
  upstream.on('data', (bytes: Buffer) => flow.receive(bytes.length));
  client.pipe(upstream);
  upstream.pipe(client);
  if (head.length > 0) {
    flow.send(head.length);
    upstream.write(head);
  }
  flow.signal.addEventListener('abort', drop, { once: true });
  if (flow.signal.aborted) drop();
  await Promise.all([closed(client, upstream, drop), closed(upstream, client, drop)]);
  flow.signal.removeEventListener('abort', drop);
  flow.signal.throwIfAborted();
}

/** Resolves when `one` is closed, of which `other` learns. */
async function closed(one: Socket, other: Socket, drop: () => void): Promise<void> {
  one.once('error', drop);
  if (!one.closed) await new Promise((resolve) => one.once('close', resolve));
  // What was on its way to the other side is still delivered.
  other.destroySoon();
}
