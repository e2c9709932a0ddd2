import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { acceptanceOf } from '../../../../test/support/research.ts';
import { canOwnServers, ownPostgres, type PrivateServer } from '../../../../test/support/servers.ts';
import { migrateOnce } from '../fleet/open.ts';
import { PgDatabase } from '../fleet/pg-database.ts';
import { claim } from './claims.ts';
import { accept } from './stores.contract.ts';
import { getRun, listRuns } from './views.ts';
import { renewLease } from './workers.ts';

const describeOwn = canOwnServers ? describe : describe.skip;

/** Roles belong to a whole server, and the one that tests share has them. */
describeOwn('the roles of a database whose owner is no superuser (needs a server of its own)', () => {
  let server: PrivateServer;
  let admin: PgDatabase;
  beforeAll(async () => {
    server = await ownPostgres();
    admin = await PgDatabase.open(server.url);
  });
  afterAll(async () => {
    await admin.close();
    await server.stop();
  });

  /** A database that a user of that name owns. */
  async function ownedBy(login: string, attributes = ''): Promise<PgDatabase> {
    await admin.query(`CREATE ROLE ${login} LOGIN PASSWORD 'pass' NOSUPERUSER ${attributes}`);
    await admin.query(`CREATE DATABASE of_${login} OWNER ${login}`);
    const url = Object.assign(new URL(server.url), { username: login, password: 'pass', pathname: `/of_${login}` });
    return await PgDatabase.open(url.href, { connections: 2 });
  }

  /** One run of each of two tenants, on its way. */
  async function work(database: PgDatabase): Promise<void> {
    await migrateOnce(database);
    database.actAs('argosy_fleet');
    for (const tenantId of ['t1', 't2']) await accept(database.forTenant(tenantId), acceptanceOf(tenantId, 'r'));
    await renewLease(database, { workerId: 'w', role: 'agent-worker', slots: 1 }, 600_000);
    expect(await claim(database, 't1', 'r', 'w')).toMatchObject({ epoch: 1 });
    expect(await getRun(database.forTenant('t1'), 't1', 'r')).toMatchObject({ status: 'running' });
    expect(await listRuns(database.forTenant('t2'), 't1', { before: null, limit: 10 })).toEqual([]);
  }

  it('are asked for in two statements that an administrator can run, and then all works', async () => {
    const database = await ownedBy('plain');
    const opening = migrateOnce(database);
    await expect(opening).rejects.toThrow(/The database user plain may not make the role argosy_gateway/);
    const message = await opening.then(String, String);
    const statements = /run, once: (.*?;) \(/.exec(message)?.[1] ?? '';
    expect(statements.match(/CREATE ROLE/g)).toHaveLength(2);
    await admin.script(statements);
    await work(database);
    await database.close();
  });

  it('of another database on the server are not made again, but must be granted', async () => {
    const database = await ownedBy('second');
    await expect(migrateOnce(database)).rejects.toThrow(/GRANT argosy_gateway TO second;/);
    await admin.script('GRANT argosy_gateway TO second; GRANT argosy_fleet TO second');
    await work(database);
    await database.close();
  });

  it('are made by an owner who may make roles', async () => {
    for (const database of ['of_plain', 'of_second']) await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
    await admin.script('DROP ROLE argosy_gateway; DROP ROLE argosy_fleet');
    const database = await ownedBy('maker', 'CREATEROLE');
    await work(database);
    await database.close();
  });

  it('bind the owner, too: what she says without one is what the fleet may', async () => {
    const url = Object.assign(new URL(server.url), { username: 'maker', password: 'pass', pathname: '/of_maker' });
    const owner = await PgDatabase.open(url.href);
    await admin.script('REVOKE argosy_fleet FROM maker; REVOKE argosy_gateway FROM maker');
    expect((await owner.query('SELECT 1 FROM argosy.runs')).rows).toEqual([]);
    await expect(owner.forTenant('t1').query('SELECT 1')).rejects.toThrow(/permission denied to set role/);
    await owner.close();
  });
});
