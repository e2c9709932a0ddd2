import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { ArgosyError, InvalidInput, messageOf } from '#errors';
import { type Config, type ConfigChecks, type FleetConfig, readFleetConfig, readServiceConfig } from './config.ts';
import { type Health, HealthServer, type Readiness } from './health.ts';
import { Keeping, type Kept, type WatchTimes } from './keeping.ts';
import { jsonLogger, type LogFields, type Logger, readableLine } from './logger.ts';
import { metricsText } from './metrics.ts';
import { startTelemetry } from './telemetry.ts';

type StopSignal = 'SIGTERM' | 'SIGINT';

/** What a service uses of the process that it is; `process` is one. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  on(event: StopSignal | 'uncaughtException' | 'unhandledRejection', listener: (what: unknown) => void): unknown;
  exit(code: number): unknown;
}

/** A role that has started. */
export interface Running {
  /** Takes no more work and gives up what it has, in about this many milliseconds. */
  stop(graceMs: number): Promise<void>;
}

/** What a role is given to start with. */
export interface ServiceSurroundings<C extends Config = FleetConfig> {
  readonly config: C;
  readonly logger: Logger;
  /** Role, machine, process and chance: no two attempts to start share one. */
  readonly workerId: string;
  /** For a role with an API, which answers for its health itself. */
  readonly health: Health;
  /** Takes charge of something that the role works with: it is closed after the role, the last one first. */
  keep<T extends Kept>(resource: T): T;
  /** For a role with an API: ends the service's own health server. @returns the port that is free now */
  takePort(): Promise<number>;
}

/** Opens what a role needs and starts it. */
type Start<C extends Config> = (around: ServiceSurroundings<C>) => Promise<Running>;

export interface ServiceOptions {
  /** Settings whose form only other libs know. */
  readonly checks?: ConfigChecks;
  /** The role serves an API on ARGOSY_PORT, and its health there; the service does until it has started. */
  readonly api?: boolean;
  readonly times?: Partial<ServiceTimes>;
}

/** Faults that an operator mends while the process waits, beside the retryable ones. */
const mendable: ReadonlySet<string> = new Set(['schema_too_new', 'redis_evicts', 'postgres_too_old', 'roles_missing']);

/** Times of a service, in milliseconds. */
export interface ServiceTimes extends WatchTimes {
  /** Between the first two attempts to start; then twice as long each time, up to `mostRetryMs`. */
  readonly retryMs: number;
  readonly mostRetryMs: number;
  /** How long an attempt to start may go on when the process is told to stop. */
  readonly patienceMs: number;
  /** How long closing what a role worked with may take after it stopped, or could not start. */
  readonly closeMs: number;
  /** How much longer than its grace a stop may take before the process is ended. */
  readonly marginMs: number;
}

const usualTimes: ServiceTimes = {
  retryMs: 1_000,
  mostRetryMs: 15_000,
  patienceMs: 500,
  closeMs: 1_500,
  marginMs: 7_000,
  lookEveryMs: 2_000,
  lookMs: 5_000,
};

/**
 * The life of one process of the fleet, from its configuration to its exit code: 0 after SIGTERM or SIGINT and a drain,
 * 1 after a failure, 2 for a bad configuration, 128 + n for a second signal. A role whose stores are away waits for them,
 * alive and not ready.
 * @param start called again after a failure that may pass
 */
export async function serve(
  role: string,
  host: Host,
  start: Start<FleetConfig>,
  options: ServiceOptions = {},
): Promise<void> {
  await serveWith(readFleetConfig, { role, host, start, options });
}

/** The same for a role that needs no stores, and should not know where they are. */
export async function serveAlone(
  role: string,
  host: Host,
  start: Start<Config>,
  options: ServiceOptions = {},
): Promise<void> {
  await serveWith(readServiceConfig, { role, host, start, options });
}

interface Serving<C extends Config> {
  readonly role: string;
  readonly host: Host;
  readonly start: Start<C>;
  readonly options: ServiceOptions;
}

async function serveWith<C extends Config>(
  read: (env: Host['env'], checks?: ConfigChecks) => C,
  { role, host, start, options }: Serving<C>,
): Promise<void> {
  try {
    const config = read(host.env, options.checks);
    await new Service(role, host, config, options).live(start);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    refuse(role, host, error);
  }
}

function refuse(role: string, host: Host, { problems }: InvalidInput): void {
  const logger = jsonLogger(role, 'error', logTo(host));
  for (const { path, message } of problems) logger.log('error', 'bad configuration', { setting: path, message });
  host.exit(2);
}

/** JSON for machines, words where a person looks. */
function logTo({ stderr }: Host): (line: string) => void {
  return (line) => void stderr.write(stderr.isTTY === true ? readableLine(line) : line);
}

class Service<C extends Config> {
  readonly #role: string;
  readonly #host: Host;
  readonly #config: C;
  readonly #logger: Logger;
  readonly #health: Health;
  readonly #server: HealthServer;
  readonly #stopping = new AbortController();
  readonly #said = new Set<string>();
  readonly #times: ServiceTimes;
  #readiness: Readiness = { ready: false, reason: 'starting' };
  #lastResort: NodeJS.Timeout | undefined;

  constructor(role: string, host: Host, config: C, { api = false, times }: ServiceOptions) {
    this.#role = role;
    this.#host = host;
    this.#config = config;
    this.#logger = jsonLogger(role, config.ARGOSY_LOG_LEVEL, logTo(host));
    this.#times = { ...usualTimes, ...times };
    this.#health = { readiness: () => this.#readiness, metrics: metricsText };
    const setting = api ? 'ARGOSY_PORT' : 'ARGOSY_HEALTH_PORT';
    this.#server = new HealthServer(this.#health, { host: config.ARGOSY_HOST, port: config[setting], setting });
  }

  /** @throws InvalidInput where the configuration turns out to be of no use */
  async live(start: Start<C>): Promise<void> {
    this.#heed();
    try {
      const telemetry = await startTelemetry(this.#role, this.#config, this.#logger);
      await this.#server.open();
      await this.#work(await this.#started(start));
      await telemetry.stop(this.#times.closeMs);
    } catch (error) {
      if (error instanceof InvalidInput) throw error;
      this.#fail('failed', error);
      return;
    }
    this.#logger.log('info', 'stopped');
    this.#exit(0);
  }

  #heed(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) this.#host.on(signal, () => this.#signalled(signal));
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      this.#host.on(event, (error) => this.#fail('crashed', error));
    }
  }

  #signalled(signal: StopSignal): void {
    if (this.#stopping.signal.aborted) {
      this.#exit(128 + constants.signals[signal]);
      return;
    }
    const graceMs = this.#config.ARGOSY_GRACE_MS;
    this.#readiness = { ready: false, reason: 'draining' };
    this.#lastResort = setTimeout(() => {
      this.#logger.log('error', 'stop took too long', { graceMs });
      this.#exit(1);
    }, graceMs + this.#times.marginMs);
    this.#logger.log('info', 'draining', { signal, graceMs });
    this.#stopping.abort();
  }

  /** Tries until the role has started. @returns null when the process was told to stop before that */
  async #started(start: Start<C>): Promise<Keeping | null> {
    const { signal } = this.#stopping;
    const { retryMs, mostRetryMs, patienceMs } = this.#times;
    const enough = once(signal, 'abort').then(async () => await pause(patienceMs, null));
    for (let waitMs = retryMs; !signal.aborted; waitMs = Math.min(2 * waitMs, mostRetryMs)) {
      try {
        return await Promise.race([this.#attempt(start), enough]);
      } catch (error) {
        if (!passes(error)) throw error;
        this.#wait(error);
      }
      await this.#server.open();
      await pause(waitMs, undefined, { signal }).catch(() => undefined);
    }
    return null;
  }

  async #attempt(start: Start<C>): Promise<Keeping> {
    const keeping = new Keeping();
    try {
      keeping.role = await start({
        config: this.#config,
        logger: this.#logger,
        workerId: `${this.#role}-${this.#config.ARGOSY_INSTANCE ?? hostname()}-${this.#host.pid}-${randomBytes(4).toString('hex')}`,
        health: this.#health,
        keep: (resource) => {
          for (const message of resource.warnings ?? []) this.#sayOnce('warning', { message });
          return keeping.keep(resource);
        },
        takePort: async () => {
          await this.#server.close();
          return this.#server.port;
        },
      });
      return keeping;
    } catch (error) {
      // Why it did not start says more than what went wrong in tidying up.
      await keeping.stop(0, this.#times.closeMs).catch(() => undefined);
      throw error;
    }
  }

  /** From ready to drained. */
  async #work(role: Keeping | null): Promise<void> {
    const { signal } = this.#stopping;
    if (role === null) return;
    if (!signal.aborted) {
      this.#readiness = { ready: true };
      this.#logger.log('info', 'ready', { port: this.#server.port });
      await role.watch(signal, this.#times, (fault) => this.#look(fault));
    }
    await role.stop(this.#config.ARGOSY_GRACE_MS, this.#times.closeMs);
  }

  /** Takes note of how the stores were found. */
  #look(fault: unknown): void {
    if (this.#stopping.signal.aborted) return;
    if (fault !== null) {
      this.#wait(fault);
      return;
    }
    if (this.#readiness.ready) return;
    this.#readiness = { ready: true };
    this.#logger.log('info', 'recovered');
    // The next outage is news again.
    this.#said.clear();
  }

  #wait(fault: unknown): void {
    const reason = messageOf(fault);
    if (!this.#stopping.signal.aborted) this.#readiness = { ready: false, reason };
    this.#sayOnce('not ready', { reason, ...(fault instanceof ArgosyError ? { code: fault.code } : {}) });
  }

  #sayOnce(event: string, fields: LogFields): void {
    const line = JSON.stringify([event, fields]);
    if (!this.#said.has(line)) this.#logger.log('warn', event, fields);
    this.#said.add(line);
  }

  #fail(event: string, error: unknown): void {
    const bug = error instanceof ArgosyError ? {} : { stack: (error as Partial<Error> | null)?.stack };
    this.#logger.log('error', event, { message: messageOf(error), ...bug });
    this.#exit(1);
  }

  #exit(code: number): void {
    clearTimeout(this.#lastResort);
    this.#server.close().catch(() => undefined);
    this.#host.exit(code);
  }
}

/** True where waiting may help. */
function passes(error: unknown): boolean {
  return error instanceof ArgosyError && (error.retryable || mendable.has(error.code));
}
