/** What integration tests use of the servers that servers-up.mjs started, and servers of their own. */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { InvalidState } from '#errors';
import { haveServers, type PrivateServer, startPostgres, startRedis } from '../../scripts/servers/servers.mjs';

export type { PrivateServer };

function fromEnvironment(name: string): string {
  const url = process.env[name];
  if (url === undefined) throw new InvalidState(`${name} is not set: run this with --selectProjects integration.`);
  return url;
}

/** The Redis that all tests share: use key prefixes of your own, flush nothing. */
export const sharedRedisUrl = (): string => fromEnvironment('INTEGRATION_REDIS_URL');

/** A key prefix that nobody else uses. */
export const freshPrefix = (): string => `{test-${randomUUID()}}`;

/** A new empty database on the PostgreSQL that all tests share. */
export interface FreshDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

export async function freshDatabase(): Promise<FreshDatabase> {
  const server = fromEnvironment('INTEGRATION_DATABASE_URL');
  const name = `argosy_test_${randomUUID().replaceAll('-', '')}`;
  await administer(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: async () => await administer(server, `DROP DATABASE ${name} WITH (FORCE)`) };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A server that a test may kill and start again. */
export async function ownRedis(settings?: Readonly<Record<string, string>>): Promise<PrivateServer> {
  return await startRedis(settings);
}

export async function ownPostgres(): Promise<PrivateServer> {
  return await startPostgres({ tests: true });
}

/** Whether such servers can be had here; they cannot where only addresses of running ones were given. */
export const canOwnServers = haveServers(['redis', 'postgres']);
