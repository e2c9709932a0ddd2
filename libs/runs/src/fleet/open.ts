import { setTimeout as pause } from 'node:timers/promises';
import { DeadlineExceeded, messageOf } from '#errors';
import type { FleetConfig, Logger } from '#platform';
import { LocalRates, type Rates, SteadyRates } from '../access/rates.ts';
import { BullmqDoorbell } from '../doorbell/bullmq-doorbell.ts';
import { Evidence } from '../evidence/evidence.ts';
import { S3Store } from '../objects/s3.ts';
import { type ObjectConfig, type ObjectSettings, objectSettingsOf, withAuthorities } from '../objects/settings.ts';
import { LocalGate } from '../pace/local-gate.ts';
import { Pacing } from '../pace/pacing.ts';
import type { SharedWatch } from '../pace/steady.ts';
import { SteadyGate } from '../pace/steady-gate.ts';
import { Runs } from '../runs.ts';
import { Scaling } from '../scaling/scaling.ts';
import { type SecretSettings, Secrets } from '../secrets/secrets.ts';
import type { Sessions } from '../sessions.ts';
import { fleetSettings, type RunsSettings } from '../settings.ts';
import type { Role } from '../store/database.ts';
import { migrate, SchemaBehind, SchemaTooNew, schemaVersions } from '../store/migrate.ts';
import { PgDatabase } from './pg-database.ts';
import { RedisServer } from './redis.ts';
import { redisBackend } from './redis-backend.ts';
import { RedisBus } from './redis-bus.ts';
import { RedisGate } from './redis-gate.ts';
import { RedisRates } from './redis-rates.ts';
import { RedisSessions } from './redis-sessions.ts';
import { RedisTail } from './redis-tail.ts';

/** Where a fleet keeps its record and rings its doorbell. */
export interface FleetStores {
  /** postgres://user:password@host:port/database */
  readonly databaseUrl: string;
  /** redis://:password@host:port */
  readonly redisUrl: string;
  /** As whom this process works where it names no tenant. Default: `argosy_fleet`. */
  readonly role?: Role;
  /** Whether this process may bring the schema up to date; otherwise it waits for somebody who does. Default: true. */
  readonly migrates?: boolean;
  /** Where texts, uploaded files and indexes go. Default: into the database. */
  readonly objects?: ObjectSettings | null;
}

type StoresConfig = Pick<FleetConfig, `ARGOSY_${'DATABASE_URL' | 'REDIS_URL' | 'MIGRATE'}`> & ObjectConfig;

/** The stores that the configuration names. @throws InvalidInput */
export function storesOf(config: StoresConfig): FleetStores {
  const { ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_REDIS_URL: redisUrl, ARGOSY_MIGRATE: how } = config;
  return { databaseUrl, redisUrl, migrates: how === 'start', objects: objectSettingsOf(config) };
}

/** The runs library as one process of a fleet. */
export interface FleetRuns {
  readonly runs: Runs;
  /** Turns at hosts and providers, counted over the whole fleet. */
  readonly pace: Pacing;
  /** Requests of callers, counted over the whole fleet. */
  readonly rates: Rates;
  /** Where the sessions of models have their homes. */
  readonly sessions: Sessions;
  /** What the fleet has looked up already. */
  readonly evidence: Evidence;
  /** For an autoscaler. */
  readonly scaling: Scaling;
  /** What tenants bring to be used for them alone; close it before the stores. */
  secrets(settings: SecretSettings): Secrets;
  /** What an operator should know of the stores and mend; for the log. */
  readonly warnings: readonly string[];
  /** Asks the record whether it answers. Without Redis, work is late and not lost. @throws Unavailable */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Any number that nobody else on this database uses for `pg_advisory_xact_lock`: "argosy" in ASCII. */
const migrationLock = 0x6172_676f_7379;

/** How long a process waits while another one migrates. */
const migrationMs = 600_000;

/** How long one attempt to start waits for a schema that is not there yet, and between two looks. */
const schemaMs = 10_000;
const schemaLookMs = 250;

/** How long answers may take to hand back their work when the process goes down. */
const closeMs = 10_000;

/**
 * Opens the stores of a fleet. Any number of processes may do so at once; one of them brings the schema up to date.
 * Leases of others are left alone.
 * @param logger told of what goes on without Redis, once when it goes away and once when it is back
 * @throws Unavailable, InvalidInput, PostgresTooOld, RedisEvicts, RolesMissing, SchemaTooNew, SchemaBehind
 */
export async function openFleet(
  { databaseUrl, redisUrl, role = 'argosy_fleet', migrates = true, objects: objectSettings = null }: FleetStores,
  settings: RunsSettings = fleetSettings(),
  logger?: Logger,
): Promise<FleetRuns> {
  const redis = new RedisServer(redisUrl);
  const objects = objectSettings === null ? null : new S3Store(await withAuthorities(objectSettings));
  const database = await PgDatabase.open(databaseUrl);
  try {
    const [warnings] = await Promise.all([redis.check(), objects?.check()]);
    await (migrates ? migrateOnce(database) : awaitSchema(database));
    database.actAs(role);
    const doorbell = new BullmqDoorbell(redisBackend(redis));
    const bus = new RedisBus(redis);
    const runs = new Runs({ database, doorbell, bus, tail: new RedisTail(redis), objects }, settings);
    const gate = new SteadyGate(new RedisGate(redis), new LocalGate(() => Date.now()), watchFor('pace', logger));
    const rates = new SteadyRates(new RedisRates(redis), new LocalRates(() => Date.now()), watchFor('rate', logger));
    const evidence = new Evidence(database, bus, { pollMs: settings.pollMs });
    const close = async (): Promise<void> => {
      try {
        await within(closeMs, Promise.all([doorbell.close(), evidence.close()]));
      } finally {
        bus.close();
        redis.close();
        objects?.close();
        await database.close();
      }
    };
    const check = async (): Promise<void> => void (await database.query('SELECT 1'));
    const secrets = (kept: SecretSettings): Secrets => new Secrets(database, bus, kept);
    const sessions = new RedisSessions(redis);
    const scaling = new Scaling(database);
    return { runs, pace: new Pacing(gate, bus), rates, sessions, evidence, scaling, secrets, warnings, check, close };
  } catch (error) {
    redis.close();
    objects?.close();
    await database.close();
    throw error;
  }
}

function watchFor(what: 'pace' | 'rate', logger: Logger | undefined): SharedWatch {
  return {
    away: (cause) => logger?.log('warn', `${what} is kept by each process for itself`, { message: messageOf(cause) }),
    back: () => logger?.log('info', `${what} is kept by the fleet again`),
  };
}

/** Brings the schema up to date, one process at a time. @returns the version now in force */
export async function migrateOnce(database: PgDatabase): Promise<number> {
  return await database.alone(migrationLock, migrationMs, () => migrate(database));
}

/** Waits for somebody to bring the schema up to date. @throws SchemaBehind when nobody does in time, SchemaTooNew */
export async function awaitSchema(database: PgDatabase, limitMs = schemaMs): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const { found, known } = await schemaVersions(database);
    if (found === known) return;
    if (found > known) throw new SchemaTooNew(found, known);
    if (performance.now() > deadline) throw new SchemaBehind(found, known);
    await pause(schemaLookMs);
  }
}

/**
 * Brings the schema of a fleet up to date and leaves. @returns the versions before and after
 * @param connectMs how long to wait for the database
 * @throws Unavailable, PostgresTooOld, RolesMissing, SchemaTooNew
 */
export async function migrateFleet(
  databaseUrl: string,
  connectMs = 15_000,
): Promise<{ readonly from: number; readonly to: number }> {
  const database = await PgDatabase.open(databaseUrl, { connectMs });
  try {
    const { found } = await schemaVersions(database);
    return { from: found, to: await migrateOnce(database) };
  } finally {
    await database.close();
  }
}

/** Workers wait for Redis; going down must not. */
async function within(limitMs: number, closing: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new DeadlineExceeded('Closing doorbell and evidence', limitMs)), limitMs);
  try {
    await Promise.race([closing, late.promise]);
  } finally {
    clearTimeout(timer);
    closing.catch(() => undefined);
  }
}
