import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '#errors';
import type { Config } from '#platform';
import { announcedServer, DataDirectoryBusy } from '#runs';
import { Client } from './client.ts';
import type { EmbeddedOptions } from './embedded.ts';
import type { Patience } from './outage.ts';

/** A server to talk to: a remote one, another process's on this data directory, or our own. */
export interface Connection {
  readonly client: Client;
  readonly kind: 'remote' | 'joined' | 'own';
  /** For how long a remote server may be away. Default: a minute. */
  readonly patience?: Patience;
  /** Stops our own server; leaves others alone. */
  close(): Promise<void>;
}

/** How long a process that holds the data directory may take to say where it serves. */
const joinLimitMs = 30_000;

/**
 * Finds the server to use: `ARGOSY_URL`, else whoever holds the data directory, else a server started here.
 * @throws Unavailable when the holder of the data directory does not answer
 */
export async function connect(remote: RemoteServer | null, options: EmbeddedOptions): Promise<Connection> {
  if (remote !== null) {
    return { client: new Client(remote.url, remote.apiKey), kind: 'remote', close: async () => {} };
  }
  const giveUpAt = performance.now() + joinLimitMs;
  while (performance.now() < giveUpAt) {
    try {
      // Loaded only here: a command that joins a server needs neither database nor web framework.
      const { Embedded } = await import('./embedded.ts');
      const own = await Embedded.start(options);
      return { client: new Client(own.url), kind: 'own', close: async () => await own.stop() };
    } catch (error) {
      if (!(error instanceof DataDirectoryBusy)) throw error;
    }
    const joined = await join(options.config);
    if (joined !== null) return joined;
    await sleep(100);
  }
  const directory = options.config.ARGOSY_DATA_DIR;
  const advice = 'End that process, or use another folder through ARGOSY_DATA_DIR';
  throw new Unavailable(`Another process holds the data directory ${directory} but serves nothing. ${advice}.`);
}

/** Where `ARGOSY_URL` or a fleet's file points. */
export interface RemoteServer {
  readonly url: string;
  readonly apiKey?: string;
}

async function join({ ARGOSY_DATA_DIR }: Config): Promise<Connection | null> {
  const url = await announcedServer(ARGOSY_DATA_DIR);
  if (url === null) return null;
  const client = new Client(url);
  try {
    await client.list(1);
    return { client, kind: 'joined', close: async () => {} };
  } catch (error) {
    // It may be starting or stopping just now: the caller looks again until its deadline.
    if (error instanceof Unavailable) return null;
    throw error;
  }
}
