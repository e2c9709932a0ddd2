import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Where the build puts the console, seen from the built gateway. In a source tree there is none. */
export const builtConsole = path.resolve(import.meta.dirname, '../../console/site');

/** Where the console shows what; each is answered with the page, whose script looks at the address. */
const views = ['/', '/runs', '/runs/:id', '/fleet', '/settings', '/welcome', '/login/callback'];

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Nothing in the page is inline, so nothing inline is allowed, with or without a nonce. What is written into the page as
 * HTML goes through the one named policy, that of the sanitiser.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify',
].join('; ');

const guards = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** Names of these files hold a hash of what is in them. */
const forever = 'public, max-age=31536000, immutable';

const notBuilt =
  'This server has no console: `npm run build` makes it, `npm start` serves it. The API is at /openapi.json.\n';

/** One file, as it is sent. */
interface Held {
  readonly type: string;
  readonly bytes: Buffer;
  readonly zipped: Buffer;
}

/**
 * Serves the built console: the page under the address of each view, and its files. All of them are held in memory, some
 * hundred kilobytes, so that a build under a running server changes nothing of what it serves.
 * @param folder what the build made; where there is nothing, `/` says so
 */
export function serveConsole(server: FastifyInstance, folder: string): void {
  const index = path.join(folder, 'index.html');
  const page = existsSync(index) ? hold(index) : null;
  if (page === null) {
    server.get('/', open, async (_, reply) => await reply.status(404).type('text/plain; charset=utf-8').send(notBuilt));
    return;
  }
  for (const view of views)
    server.get(view, open, async (request, reply) => await send(page, 'no-cache', [request, reply]));
  const assets = path.join(folder, 'assets');
  for (const name of readdirSync(assets)) {
    const file = hold(path.join(assets, name));
    server.get(`/assets/${name}`, open, async (request, reply) => await send(file, forever, [request, reply]));
  }
}

const open = { config: { open: true } } as const;

function hold(file: string): Held {
  const bytes = readFileSync(file);
  const type = types[path.extname(file)] ?? 'text/html; charset=utf-8';
  return { type, bytes, zipped: gzipSync(bytes, { level: 9 }) };
}

async function send(file: Held, cached: string, [request, reply]: [FastifyRequest, FastifyReply]): Promise<void> {
  reply.headers({ ...guards, 'cache-control': cached, vary: 'accept-encoding' }).type(file.type);
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return await reply.send(file.bytes);
  await reply.header('content-encoding', 'gzip').send(file.zipped);
}
