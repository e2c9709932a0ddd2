import 'reflect-metadata';
import type { KeyObject } from 'node:crypto';
import type { Server } from 'node:http';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { InvalidInput } from '#errors';
import type { InferenceGroups } from '#model';
import { alwaysReady, type Health, type Logger } from '#platform';
import type { ApiKeys, Runs } from '#runs';
import { AboutController, type ToolsHere } from './about.controller.ts';
import type { Offer } from './acceptance.ts';
import { type Admission, admitRequests, expectLoopback, localAdmission } from './access/admission.ts';
import { limitCrowd, usualCrowd } from './access/crowd.ts';
import { keyAdmission } from './access/key-admission.ts';
import type { Allowance } from './access/rate-limits.ts';
import { ScopeGuard } from './access/scope-guard.ts';
import { AdminController } from './admin.controller.ts';
import { takeBodies } from './bodies.ts';
import { BundleController } from './bundle.controller.ts';
import { connectionOptions, type Patience, patience, refuseExpectations } from './connections.ts';
import { builtConsole, serveConsole } from './console-files.ts';
import { CorporaController } from './corpora.controller.ts';
import { ErrorFilter } from './error-filter.ts';
import { EventStreams, type StreamSettings } from './event-stream.ts';
import { ExportsController } from './exports/exports.controller.ts';
import { HealthController } from './health.controller.ts';
import { InferenceController } from './inference.controller.ts';
import { measureRequests } from './instruments.ts';
import { Intake } from './intake.ts';
import { KeysController } from './keys.controller.ts';
import { LoginController } from './login/login.controller.ts';
import type { Logins } from './login/logins.ts';
import { ChatController } from './openai/chat.controller.ts';
import { tellErrorsAsOpenAi } from './openai/errors.ts';
import { ModelsController } from './openai/models.controller.ts';
import { ResponsesController } from './openai/responses.controller.ts';
import { Responses } from './openai/responses.ts';
import { type AnswerPatience, answerPatience } from './openai/waiting.ts';
import { openApiDocument } from './openapi/document.ts';
import { OpenApiController } from './openapi/openapi.controller.ts';
import { RequestGuard } from './request-guard.ts';
import { traceRequests } from './request-spans.ts';
import { ResearchController } from './research.controller.ts';
import { RouteTable } from './route-table.ts';
import { type OfferedSecrets, SecretsController } from './secrets.controller.ts';
import {
  DOCUMENT,
  EVENT_STREAMS,
  GROUPS,
  HEALTH,
  KEYS,
  LOGINS,
  OFFER,
  PATIENCE,
  RUNS,
  SECRETS,
  SIGNING_KEY,
  TOOLS,
} from './tokens.ts';
import { UsageController } from './usage.controller.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** Without keys there is one tenant, and only callers on this machine are served. */
  readonly tenantId: string;
  /** With them, every caller shows one, and is served as its tenant. */
  readonly keys?: ApiKeys;
  /** How people get a key by an identity provider. Default: not at all. */
  readonly logins?: Logins;
  /** What tenants may have kept for them. Default: nothing. */
  readonly secrets?: OfferedSecrets;
  /** The inference groups that administrators may look at. Default: none. */
  readonly groups?: InferenceGroups;
  /** What the tools of this process can do. Default: they are other processes, of which nothing is known. */
  readonly tools?: ToolsHere;
  /** How much holders of keys may do. Default: as much as they like. */
  readonly allowance?: Allowance;
  /** Requests that are worked on at the same time. */
  readonly crowd?: number;
  /** Who is served as whom. Default: holders of keys, else callers on this machine as `tenantId`. */
  readonly admission?: Admission;
  /** Private, ed25519: what bundles are sealed with. */
  readonly signingKey: KeyObject;
  /** Time between two comments that keep a quiet event stream open. Default 15,000. */
  readonly heartbeatMs?: number;
  /** How long a client of an event stream may take nothing, while there is something for it. Default 30,000. */
  readonly stallMs?: number;
  /** How long a request for an answer waits for its run. */
  readonly answerPatience?: AnswerPatience;
  /** What the health routes tell; without it, always ready. */
  readonly health?: Health;
  /** How long clients may take to send their requests. */
  readonly patience?: Patience;
  /** The folder of the built console. Default: where the build puts it. */
  readonly consoleFolder?: string;
}

/** Largest request body. */
const bodyLimitBytes = 1024 * 1024;

/** How often a gateway that stops looks for connections to end. */
const sweepMs = 20;

const controllers = [
  ResponsesController,
  ChatController,
  ModelsController,
  ResearchController,
  BundleController,
  ExportsController,
  CorporaController,
  KeysController,
  LoginController,
  SecretsController,
  UsageController,
  AdminController,
  InferenceController,
  AboutController,
  HealthController,
  OpenApiController,
];

@Module({})
class GatewayModule {
  static register(runs: Runs, offer: Offer, options: GatewayOptions, closing: AbortSignal): DynamicModule {
    const { heartbeatMs = 15_000, stallMs = 30_000 } = options;
    const streams: StreamSettings = { heartbeatMs, stallMs, closing };
    return {
      module: GatewayModule,
      controllers,
      providers: [
        { provide: RUNS, useValue: runs },
        { provide: OFFER, useValue: offer },
        Intake,
        Responses,
        { provide: APP_GUARD, useValue: new ScopeGuard() },
        { provide: APP_GUARD, useValue: new RequestGuard() },
        { provide: EVENT_STREAMS, useValue: new EventStreams(runs, streams) },
        { provide: PATIENCE, useValue: { ...streams, ...(options.answerPatience ?? answerPatience) } },
        { provide: KEYS, useValue: options.keys ?? null },
        { provide: LOGINS, useValue: options.logins ?? null },
        { provide: SECRETS, useValue: options.secrets ?? null },
        { provide: GROUPS, useValue: options.groups ?? null },
        { provide: TOOLS, useValue: options.tools ?? null },
        { provide: SIGNING_KEY, useValue: options.signingKey },
        { provide: DOCUMENT, useValue: () => openApiDocument(controllers) },
        { provide: HEALTH, useValue: options.health ?? alwaysReady },
      ],
    };
  }
}

/** The HTTP server: validates, writes runs, streams their events. It drives nothing. */
export class Gateway {
  readonly url: string;
  readonly #app: NestFastifyApplication;
  readonly #closing: AbortController;

  readonly #table: RouteTable;

  private constructor(url: string, { app, table }: Application, closing: AbortController) {
    this.url = url;
    this.#app = app;
    this.#table = table;
    this.#closing = closing;
  }

  /** What is served, as `GET /v1/research/:id` and so on. */
  get routes(): string[] {
    return this.#table.list();
  }

  /** @throws InvalidInput when the port is taken or may not be used, or others could reach it and no key is asked for */
  static async start(runs: Runs, offer: Offer, options: GatewayOptions, logger: Logger): Promise<Gateway> {
    const admission = admissionOf(options);
    const closing = new AbortController();
    const module = GatewayModule.register(runs, offer, options, closing.signal);
    const application = await createApp(module, logger, options);
    const { app } = application;
    const server = app.getHttpAdapter().getInstance();
    limitCrowd(server, options.crowd ?? usualCrowd);
    admitRequests(server, admission);
    try {
      await app.listen(options.port, options.host);
    } catch (cause) {
      await app.close();
      throw portUnusable(options, cause);
    }
    return new Gateway((await app.getUrl()).replace(/\/$/, ''), application, closing);
  }

  /**
   * Takes no more requests, ends open event streams (clients resume elsewhere with Last-Event-ID), and lets requests in
   * work come to their end.
   * @param graceMs after this long they are cut off
   */
  async stop(graceMs = 1_000): Promise<void> {
    const server = this.#app.getHttpServer() as Server; // Fastify over HTTP/1
    const giveUpAt = performance.now() + graceMs;
    this.#closing.abort();
    // A connection that is kept alive becomes idle only with the end of its request.
    const sweep = setInterval(() => {
      if (performance.now() < giveUpAt) server.closeIdleConnections();
      else server.closeAllConnections();
    }, sweepMs);
    try {
      await this.#app.close();
    } finally {
      clearInterval(sweep);
    }
  }
}

interface Application {
  readonly app: NestFastifyApplication;
  readonly table: RouteTable;
}

/** An application whose every refusal has the shape of the API's errors. */
async function createApp(
  module: DynamicModule,
  logger: Logger,
  { patience: limits = patience, consoleFolder = builtConsole }: GatewayOptions,
): Promise<Application> {
  const adapter = new FastifyAdapter({
    bodyLimit: bodyLimitBytes,
    forceCloseConnections: 'idle',
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      void filter.answer(error, request, reply),
    ...connectionOptions(limits),
  });
  const server = adapter.getInstance();
  // Before the table: it lists the API alone.
  serveConsole(server, consoleFolder);
  const table = RouteTable.of(server);
  const filter = new ErrorFilter(logger, table);
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false, bodyParser: false });
  app.useGlobalFilters(filter);
  traceRequests(server);
  measureRequests(server);
  tellErrorsAsOpenAi(server);
  takeBodies(server, limits.bodyMs);
  refuseExpectations(app.getHttpServer());
  return { app, table };
}

/** @throws InvalidInput where other machines could reach a server that asks for no keys */
function admissionOf({ admission, keys, allowance, host, tenantId }: GatewayOptions): Admission {
  if (admission !== undefined) return admission;
  if (keys !== undefined) return keyAdmission(keys.ring, allowance ?? null);
  expectLoopback(host);
  return localAdmission(tenantId);
}

function portUnusable({ host, port }: GatewayOptions, cause: unknown): unknown {
  const code = (cause as { code?: unknown } | null)?.code;
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return cause;
  const reason = code === 'EADDRINUSE' ? 'is in use by another program' : 'may not be used by this user';
  const message = `port ${port} on ${host} ${reason}; choose another with --port or ARGOSY_PORT`;
  return new InvalidInput([{ path: 'port', message }], { cause });
}
