/** A server in a process of its own, for the benchmark: `gateway-server.ts ORDER`. Says its address, then answers questions. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { Pool } from 'pg';
import { Gateway } from '#gateway';
import { openFleet } from '#runs';
import { offerOf } from '../support/offers.ts';
import { tenantId } from './gateway-load.ts';

/** `argosy`: the gateway. `bare`: a Fastify route with the same inserts, and a node:http server that sends events. */
export interface ServerOrder {
  readonly kind: 'argosy' | 'bare';
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

/** Sent to a server: what its process weighs now, or to send an event to every client of the bare one. */
export type Question = 'weigh' | 'tell';

const model = { isLanguageModel: true, profile: 'tongyi-v1', contextTokens: null, prices: [] };

async function serveArgosy({ databaseUrl, redisUrl }: ServerOrder): Promise<string> {
  const { runs } = await openFleet({ databaseUrl, redisUrl, role: 'argosy_gateway' });
  const offer = offerOf({ models: new Map([['writer', model]]), defaultModel: 'writer', knowsCorpus: () => true });
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const options = { host: '127.0.0.1', port: 0, tenantId, signingKey };
  return (await Gateway.start(runs, offer, options, { log: () => undefined })).url;
}

const clients = new Set<ServerResponse>();

/** The same two inserts in one transaction with the tenant set, and nothing else. */
async function serveBare({ databaseUrl }: ServerOrder): Promise<string> {
  const pool = new Pool({ connectionString: databaseUrl, max: 10 });
  const server = fastify();
  server.post('/v1/research', async (request, reply) => {
    const id = `run_${randomUUID()}`;
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query("SELECT set_config('argosy.tenant', $1, true)", [tenantId]);
      await client.query(
        `INSERT INTO argosy.runs (tenant_id, run_id, state, request, schema_version, request_sha256, last_seq, traceparent)
         VALUES ($1, $2, 'queued', $3, 3, $4, 1, $5)`,
        [
          tenantId,
          id,
          JSON.stringify(request.body),
          '0'.repeat(64),
          '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        ],
      );
      await client.query(
        `INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
         VALUES ($1, $2, 1, 'run.accepted', 3, $3)`,
        [tenantId, id, JSON.stringify(request.body)],
      );
      await client.query('COMMIT');
    } finally {
      client.release();
    }
    return reply.status(202).send({ id, status: 'queued', queue_position: 0 });
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const events = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    clients.add(response);
    response.on('close', () => clients.delete(response));
  });
  await new Promise<void>((resolve) => events.listen(0, '127.0.0.1', resolve));
  return `${url} http://127.0.0.1:${(events.address() as AddressInfo).port}`;
}

function answer(question: Question): void {
  if (question === 'tell') {
    const data = JSON.stringify({ sentAt: performance.timeOrigin + performance.now() });
    for (const client of clients) client.write(`event: step.started\ndata: ${data}\n\n`);
    return;
  }
  globalThis.gc?.();
  process.send?.({ rss: process.memoryUsage().rss });
}

const order = JSON.parse(process.argv[2] ?? '{}') as ServerOrder;
process.on('message', answer);
process.send?.({ url: order.kind === 'argosy' ? await serveArgosy(order) : await serveBare(order) });
