import 'reflect-metadata';
import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { InvalidInput } from '#errors';
import type { Logger } from '#platform';
import type { Runs } from '#runs';
import type { Offer } from './acceptance.ts';
import { ErrorFilter } from './error-filter.ts';
import { HealthController } from './health.controller.ts';
import { foreignCaller } from './loopback-guard.ts';
import { ResearchController } from './research.controller.ts';
import { HEARTBEAT_MS, OFFER, RUNS, TENANT } from './tokens.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** Without keys there is one tenant, and only callers on this machine are served. */
  readonly tenantId: string;
  /** Time between two comments that keep a quiet event stream open. Default 15,000. */
  readonly heartbeatMs?: number;
}

/** Largest request body. */
const bodyLimitBytes = 1024 * 1024;

@Module({})
class GatewayModule {
  static register(runs: Runs, offer: Offer, { tenantId, heartbeatMs = 15_000 }: GatewayOptions): DynamicModule {
    return {
      module: GatewayModule,
      controllers: [ResearchController, HealthController],
      providers: [
        { provide: RUNS, useValue: runs },
        { provide: OFFER, useValue: offer },
        { provide: TENANT, useValue: tenantId },
        { provide: HEARTBEAT_MS, useValue: heartbeatMs },
      ],
    };
  }
}

/** The HTTP server: validates, writes runs, streams their events. It drives nothing. */
export class Gateway {
  readonly url: string;
  readonly #app: NestFastifyApplication;

  private constructor(url: string, app: NestFastifyApplication) {
    this.url = url;
    this.#app = app;
  }

  /** @throws InvalidInput when the port is taken or may not be used */
  static async start(runs: Runs, offer: Offer, options: GatewayOptions, logger: Logger): Promise<Gateway> {
    const adapter = new FastifyAdapter({ bodyLimit: bodyLimitBytes, forceCloseConnections: true });
    const module = GatewayModule.register(runs, offer, options);
    const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false });
    app.useGlobalFilters(new ErrorFilter(logger));
    const server = app.getHttpAdapter().getInstance();
    server.addHook('onRequest', async (request, reply) => {
      const reason = foreignCaller(request.headers);
      if (reason === null) return;
      await reply.status(403).send({ error: { code: 'forbidden', message: reason, request_id: request.id } });
    });
    try {
      await app.listen(options.port, options.host);
    } catch (cause) {
      await app.close();
      throw portUnusable(options, cause);
    }
    return new Gateway((await app.getUrl()).replace(/\/$/, ''), app);
  }

  /** Takes no more requests and ends open event streams; clients resume elsewhere with Last-Event-ID. */
  async stop(): Promise<void> {
    await this.#app.close();
  }
}

function portUnusable({ host, port }: GatewayOptions, cause: unknown): unknown {
  const code = (cause as { code?: unknown } | null)?.code;
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return cause;
  const reason = code === 'EADDRINUSE' ? 'is in use by another program' : 'may not be used by this user';
  const message = `port ${port} on ${host} ${reason}; choose another with --port or ARGOSY_PORT`;
  return new InvalidInput([{ path: 'port', message }], { cause });
}
