import { once } from 'node:events';
import { lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';

/**
 * Takes away the socket that a killed process has left behind, which would keep its successor from listening. One that
 * somebody answers stays, and so does whatever is no socket.
 * @param listen any address; only `unix:/path` leaves anything behind
 */
export async function removeStaleSocket(listen: string): Promise<void> {
  if (!listen.startsWith('unix:')) return;
  const path = listen.slice('unix:'.length);
  // A file of any other kind refuses a connection as well, and is somebody's.
  const found = await lstat(path).catch(() => null);
  if (found?.isSocket() !== true) return;
  const probe = createConnection(path);
  try {
    await once(probe, 'connect');
  } catch (error) {
    const { code } = (error ?? {}) as Partial<Record<'code', unknown>>;
    if (code === 'ECONNREFUSED') await unlink(path);
  } finally {
    probe.destroy();
  }
}
