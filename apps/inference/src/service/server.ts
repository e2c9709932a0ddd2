import { type ChannelOptions, Server, type ServerCredentials } from '@grpc/grpc-js';
import { health, inference, reflection, reflectionAlpha } from '#contracts/rpc';
import { InvalidInput, messageOf } from '#errors';
import type { Logger } from '#platform';
import { type Keepalive, keepaliveOptions } from '../transport/keepalive.ts';
import { readable, refuseMalformed } from '../transport/malformed.ts';
import { removeStaleSocket } from '../transport/stale-socket.ts';
import { serverCredentials, type TlsFiles } from '../transport/tls.ts';
import type { Engine } from './engine.ts';
import { HealthService } from './health.ts';
import { InferenceService } from './inference-service.ts';
import { reflectionHandlers } from './reflection.ts';

export interface ServerOptions {
  /** `host:port`, port 0 for a free one, or `unix:/path`. */
  readonly listen: string;
  readonly tls: TlsFiles;
  /** Default: a caller that vanished without a word is found out within half a minute. */
  readonly keepalive?: Keepalive;
}

const usualKeepalive: Keepalive = { everyMs: 20_000, limitMs: 10_000 };

/** A prompt of the longest context as text; token ids take less. */
const mostRequestBytes = 32 * 2 ** 20;

const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': mostRequestBytes,
  'grpc.max_send_message_length': 4 * 2 ** 20,
  'grpc.max_connection_idle_ms': 3_600_000,
};

const serviceNames = ['argosy.inference.v1.InferenceService', 'grpc.health.v1.Health'];
const reflectionNames = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];

/** The group's gRPC server: the service itself, health and reflection. */
export class InferenceServer {
  readonly #server: Server;
  readonly #service: InferenceService;
  readonly #health = new HealthService(serviceNames);
  /** Of TCP; 0 for a socket of the file system. */
  readonly port: number;

  private constructor(server: Server, port: number, service: InferenceService) {
    this.#server = server;
    this.#service = service;
    this.port = port;
    this.#server.addService(readable(inference.InferenceServiceService), service.handlers);
    this.#server.addService(readable(health.HealthService), this.#health.handlers);
    const reflecting = reflectionHandlers([...serviceNames, ...reflectionNames]);
    this.#server.addService(readable(reflection.ServerReflectionService), reflecting);
    this.#server.addService(readable(reflectionAlpha.ServerReflectionService), reflecting);
  }

  /** @throws InvalidInput when the address or the files of its identity cannot be used */
  static async start(engine: Engine, options: ServerOptions, logger: Logger): Promise<InferenceServer> {
    const { listen, tls, keepalive = usualKeepalive } = options;
    const channel = { ...channelOptions, ...keepaliveOptions(keepalive) };
    const server = new Server({ ...channel, interceptors: [refuseMalformed] });
    const secured = await serverCredentials(tls);
    await removeStaleSocket(listen);
    const port = await bound(server, listen, secured);
    logger.log('info', 'listening', { listen, port, model: engine.info.model, tls: tls.cert !== undefined });
    const serving = new InferenceServer(server, port, new InferenceService(engine, logger));
    engine.onReady?.((isReady) => serving.#health.set(isReady));
    return serving;
  }

  /** Tells its health first, then lets replies come to their end within this time. */
  async stop(graceMs: number): Promise<void> {
    this.#health.stop();
    await this.#service.stop(graceMs);
    await closed(this.#server);
  }
}

/** What still speaks after this time is cut off. */
const closeMs = 500;

/** Not longer than that: the socket of a caller that vanished may never tell its end. */
async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const late = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, closeMs);
    server.tryShutdown(() => {
      clearTimeout(late);
      resolve();
    });
  });
}

async function bound(server: Server, listen: string, credentials: ServerCredentials): Promise<number> {
  return await new Promise((resolve, reject) => {
    server.bindAsync(listen, credentials, (error, port) => {
      if (error === null) resolve(listen.startsWith('unix:') ? 0 : port);
      else reject(fault('ARGOSY_INFERENCE_LISTEN', `cannot listen on "${listen}": ${messageOf(error)}`, error));
    });
  });
}

function fault(path: string, message: string, cause?: unknown): InvalidInput {
  return new InvalidInput([{ path, message }], { cause });
}
