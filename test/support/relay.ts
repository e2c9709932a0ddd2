/** A relay of TCP on loopback that can fall silent, as a peer whose machine was cut off: nothing is closed, nothing comes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Relay {
  /** `127.0.0.1:PORT`, in the place of the one behind it. */
  readonly address: string;
  /** From now on it passes nothing on, either way. */
  silence(): void;
  close(): Promise<void>;
}

/**
 * @param port of 127.0.0.1 to pass everything on to
 * @param delayMs how late all that goes there arrives
 */
export async function relayTo(port: number, delayMs = 0): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    if (delayMs === 0) near.pipe(far);
    // Timers of one length fire in order.
    else near.on('data', (chunk) => setTimeout(() => far.write(chunk), delayMs));
    far.pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`, // what a listening server of TCP has
    silence: () => {
      for (const socket of sockets) socket.unpipe().removeAllListeners('data').pause();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
