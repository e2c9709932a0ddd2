import type { FastifyInstance } from 'fastify';
import { corpusBodyLimit } from '#contracts';

/** Lets manifests of corpora be larger than other bodies, and hands files on as they come. */
export function takeFiles(server: FastifyInstance): void {
  server.addHook('onRoute', (route) => {
    if (route.url === '/v1/corpora' && route.method === 'POST') route.bodyLimit = corpusBodyLimit;
  });
  server.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));
}
