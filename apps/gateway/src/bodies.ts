import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { corpusBodyLimit } from '#contracts';

/**
 * What the gateway reads of bodies: JSON in UTF-8, within `limitMs`, and files, which are handed on as they come. Manifests
 * of corpora may be larger than other bodies.
 */
export function takeBodies(server: FastifyInstance, limitMs: number): void {
  server.addHook('onRoute', (route) => {
    if (route.url === '/v1/corpora' && route.method === 'POST') route.bodyLimit = corpusBodyLimit;
  });
  server.removeAllContentTypeParsers();
  const parse = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    // Clients that always name the type send nothing where nothing is to be sent.
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(badRequest('The body is not UTF-8.', 400));
    return parse(request, body.toString('utf8'), done);
  });
  for (const type of fileTypes) server.addContentTypeParser(type, (_request, body, done) => done(null, body));
  server.addHook('preParsing', (request, _reply, payload, done) => {
    if (request.headers['content-encoding'] !== undefined) {
      return done(badRequest('Send the body as it is: no Content-Encoding is read here.', 415));
    }
    const { 'content-type': type, 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    if (!isFile(type) && (length ?? encoding) !== undefined) giveUpAfter(payload, limitMs);
    return done(null, payload);
  });
}

/** Handed on as they come. */
const fileTypes = ['application/octet-stream', 'multipart/form-data'];

function isFile(contentType: string | undefined): boolean {
  return fileTypes.some((type) => contentType?.startsWith(type));
}

/** Tells whoever reads a body that the rest of it is too late. The connection stays, so that the client hears of it. */
function giveUpAfter(payload: NodeJS.ReadableStream, limitMs: number): void {
  const timer = setTimeout(() => {
    const late = badRequest('The body did not arrive in time; send it again, all at once.', 408);
    if (payload.listenerCount('error') > 0) payload.emit('error', late);
  }, limitMs).unref();
  const clear = (): void => clearTimeout(timer);
  payload.once('end', clear).once('close', clear);
}

/** What Fastify makes an answer of. */
function badRequest(message: string, statusCode: number): Error & { statusCode: number } {
  return Object.assign(new Error(message), { statusCode });
}
