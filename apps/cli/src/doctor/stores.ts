/** Where the record is kept and rings are sent. */
import type { Config } from '#platform';
import { inspectObjects, inspectPostgres, inspectRedis, objectSettingsOf, type PostgresFacts } from '#runs';
import { type Check, type Finding, fail, ok, warn } from './finding.ts';

/** A clock that is further off than this makes deadlines and days of the bill visibly wrong. */
const skewedMs = 1_000;
const wrongMs = 10_000;

/** @param limitMs that a server may take to answer */
export function storeChecks(config: Config, limitMs: number): Check[] {
  const { ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_REDIS_URL: redisUrl } = config;
  if (databaseUrl === undefined && redisUrl === undefined) {
    return [{ about: 'stores', look: async () => embeddedFindings(config) }];
  }
  const halves = (databaseUrl === undefined) !== (redisUrl === undefined);
  const missing = databaseUrl === undefined ? 'ARGOSY_DATABASE_URL' : 'ARGOSY_REDIS_URL';
  const half = fail('stores', `${missing} is not set`, 'A fleet needs both; processes without it do not start.');
  const postgres = async (url: string) => postgresFindings(await inspectPostgres(url, limitMs, () => Date.now()));
  return [
    ...(halves ? [{ about: 'stores', look: async () => [half] }] : []),
    ...(databaseUrl === undefined ? [] : [{ about: 'postgres', look: async () => await postgres(databaseUrl) }]),
    ...(redisUrl === undefined ? [] : [{ about: 'redis', look: async () => await redisFindings(redisUrl, limitMs) }]),
    { about: 'objects', look: async () => await objectFindings(config, limitMs) },
  ];
}

function embeddedFindings(config: Config): Finding[] {
  const own = ok('stores', 'embedded: PGlite in the data directory, no Redis');
  if (config.ARGOSY_S3_ENDPOINT === undefined) return [own];
  const advice = 'Set ARGOSY_DATABASE_URL and ARGOSY_REDIS_URL for a fleet, or take the ARGOSY_S3_ settings out.';
  return [own, warn('objects', 'one process keeps all bytes in its data directory and asks no object store', advice)];
}

async function objectFindings(config: Config, limitMs: number): Promise<Finding[]> {
  const settings = objectSettingsOf(config);
  if (settings === null)
    return [ok('objects', 'the database keeps texts, files and indexes (ARGOSY_S3_ENDPOINT is not set)')];
  const { endpoint, bucket } = settings;
  await inspectObjects(settings, limitMs);
  return [ok('objects', `an object was written, read and removed in ${bucket} at ${new URL(endpoint).host}`)];
}

export function postgresFindings({ version, schema, known, aheadMs, missingRoles }: PostgresFacts): Finding[] {
  return [ok('postgres', version), schemaFinding(schema, known, missingRoles), clockFinding(aheadMs)];
}

function schemaFinding(schema: number, known: number, missingRoles: readonly string[]): Finding {
  if (schema > known) {
    const says = `at ${schema}, and this release knows ${known}`;
    return fail('schema', says, 'Start the newer release: this one refuses such a database.');
  }
  if (schema < known) {
    return warn(
      'schema',
      `at ${schema} of ${known}`,
      'The first process that starts brings it up to date; back up before.',
    );
  }
  if (missingRoles.length > 0) {
    return fail('schema', `roles are missing: ${missingRoles.join(', ')}`, 'Create them: see "The database\'s roles".');
  }
  return ok('schema', `at ${schema}, as this release has it`);
}

function clockFinding(aheadMs: number): Finding {
  const says = `the database is ${(Math.abs(aheadMs) / 1000).toFixed(2)} s ${aheadMs < 0 ? 'behind' : 'ahead'}`;
  const advice = 'Set both clocks by NTP: leases and prices go by the database, logs and deadlines by this machine.';
  if (Math.abs(aheadMs) >= wrongMs) return fail('clock', says, advice);
  return Math.abs(aheadMs) >= skewedMs ? warn('clock', says, advice) : ok('clock', says);
}

async function redisFindings(url: string, limitMs: number): Promise<Finding[]> {
  const { version, policy, keepsLog, evicts } = await inspectRedis(url, limitMs);
  const log = keepsLog ? 'keeps an append-only file' : 'keeps no append-only file, which is not needed';
  const policyFinding =
    evicts === null
      ? ok('redis policy', `${policy ?? 'not told'}; ${log}`)
      : fail('redis policy', `maxmemory-policy ${policy} loses queued work`, evicts);
  return [ok('redis', version ?? 'its version is not told'), policyFinding];
}
