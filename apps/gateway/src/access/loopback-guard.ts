import type { IncomingHttpHeaders } from 'node:http';

const ownNames: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);

/**
 * Without keys, being on this machine is the only credential, and any web page can make a browser here send requests.
 * A foreign Host (DNS rebinding) or Origin (another site's script) gives it away.
 * @returns why the caller is refused, or null when it is one of ours
 */
export function foreignCaller({ host, origin }: IncomingHttpHeaders): string | null {
  const name = URL.parse(`http://${host ?? ''}`)?.hostname ?? '';
  if (!ownNames.has(name)) {
    return `This server answers to 127.0.0.1 and localhost only, not to the Host ${JSON.stringify(host ?? '')}.`;
  }
  if (origin === undefined) return null;
  const from = URL.parse(origin);
  if (from !== null && from.host === host) return null;
  return `Requests from pages of another origin (${JSON.stringify(origin)}) are refused.`;
}
