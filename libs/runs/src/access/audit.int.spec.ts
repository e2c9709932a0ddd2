import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../../../../test/support/embedded.ts';
import { canOwnServers, ownPostgres } from '../../../../test/support/servers.ts';
import { LocalBus } from '../bus.ts';
import { PgliteDatabase } from '../embedded/pglite-database.ts';
import { migrateOnce } from '../fleet/open.ts';
import { PgDatabase } from '../fleet/pg-database.ts';
import type { Database } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { ApiKeys } from './api-keys.ts';
import { verifyAudit } from './audit.ts';
import { ensureTenant } from './key-records.ts';

async function openEmbedded(folder: string): Promise<Opened> {
  const database = await PgliteDatabase.open(folder);
  await migrate(database);
  return { database, close: async () => await database.close() };
}

/** As its owner, who is no superuser, and under the policies of its own tables. */
async function openOwned(): Promise<Opened> {
  const server = await ownPostgres();
  const admin = await PgDatabase.open(server.url);
  await admin.query(`CREATE ROLE plain LOGIN CREATEROLE NOSUPERUSER PASSWORD 'pass'`);
  await admin.query('CREATE DATABASE plain OWNER plain');
  await admin.close();
  const url = Object.assign(new URL(server.url), { username: 'plain', password: 'pass', pathname: '/plain' });
  const database = await PgDatabase.open(url.href);
  await migrateOnce(database);
  const close = async (): Promise<void> => {
    await database.close();
    await server.stop();
  };
  return { database, close };
}

const move = (from: number, to: number): string =>
  `UPDATE argosy.audit_log SET seq = ${to} WHERE tenant_id = $1 AND seq = ${from}`;

interface Opened {
  readonly database: Database;
  close(): Promise<void>;
}

const places = [['PGlite', openEmbedded], ...(canOwnServers ? [['PostgreSQL', openOwned] as const] : [])] as const;

describe.each(places)('on %s:', (_name, open) => {
  const folder = temporaryFolder();
  let opened: Opened | null = null;
  beforeAll(async () => {
    opened = await open(folder);
  });
  afterAll(async () => {
    await opened?.close();
  });
  const database = (): Database => {
    if (opened === null) throw new Error('The database is open only inside tests.');
    return opened.database;
  };
  let tenants = 0;

  /** A tenant whose log has five entries: three keys made, two revoked. */
  async function logged(): Promise<string> {
    tenants += 1;
    const tenantId = `a${tenants}`;
    await ensureTenant(database(), tenantId);
    const keys = new ApiKeys(database(), new LocalBus(), { pepper: randomBytes(32), env: 'test' });
    const by = { tenantId, actor: 'operator' };
    const made = [];
    for (const name of ['one', 'zwei — "2"', '三']) {
      made.push(await keys.create(by, { name, scopes: ['research:read'], expiresAt: null }));
    }
    for (const { key } of made.slice(1)) await keys.revoke(by, key.id);
    await keys.close();
    return tenantId;
  }

  /** As somebody would who owns the tables and wants to hide it. */
  async function tamper(sql: string, tenantId: string): Promise<void> {
    await database().script('ALTER TABLE argosy.audit_log DISABLE TRIGGER USER');
    for (const statement of sql.split(';')) await database().query(statement, [tenantId]);
    await database().script('ALTER TABLE argosy.audit_log ENABLE TRIGGER USER');
  }

  describe('the audit log', () => {
    it('tells who made and revoked which key, in order, and is sound', async () => {
      const tenantId = await logged();
      const { rows } = await database().query(
        'SELECT seq::int, actor, action, details FROM argosy.audit_log WHERE tenant_id = $1 ORDER BY seq',
        [tenantId],
      );
      expect(rows.map(({ action }) => action)).toEqual([
        ...['key.created', 'key.created', 'key.created'],
        ...['key.revoked', 'key.revoked'],
      ]);
      expect(rows[1]).toMatchObject({ seq: 2, actor: 'operator', details: expect.stringContaining('zwei') });
      expect(await verifyAudit(database(), tenantId)).toEqual({
        entries: 5,
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    });

    it('is known again by the hash of an entry, and not when it was written anew', async () => {
      const tenantId = await logged();
      const { hash } = await verifyAudit(database(), tenantId);
      const append = `INSERT INTO argosy.audit_log (tenant_id, actor, action, subject) VALUES ($1, 'x', 'y', 'z')`;
      await database().forTenant(tenantId).query(append, [tenantId]);
      expect(await verifyAudit(database(), tenantId, hash)).toMatchObject({ entries: 6 });
      await tamper(
        'DELETE FROM argosy.audit_log WHERE tenant_id = $1; DELETE FROM argosy.audit_heads WHERE tenant_id = $1',
        tenantId,
      );
      await database().forTenant(tenantId).query(append, [tenantId]);
      expect(await verifyAudit(database(), tenantId)).toMatchObject({ entries: 1 });
      await expect(verifyAudit(database(), tenantId, hash)).rejects.toThrow(/was written anew: no entry/);
    });

    it('of a tenant without any is sound and empty', async () => {
      expect(await verifyAudit(database(), 'nobody')).toEqual({ entries: 0, hash: '' });
    });

    it('stays one chain when many write at once', async () => {
      const tenantId = await logged();
      const entry = `INSERT INTO argosy.audit_log (tenant_id, actor, action, subject) VALUES ($1, 'x', 'y', 'z')`;
      await Promise.all(Array.from({ length: 20 }, async () => await database().query(entry, [tenantId])));
      expect(await verifyAudit(database(), tenantId)).toMatchObject({ entries: 25 });
    });

    it.each([
      ['an entry that was changed', `UPDATE argosy.audit_log SET actor = 'x' WHERE tenant_id = $1 AND seq = 3`, 3],
      [
        'a moved border of two fields',
        `UPDATE argosy.audit_log SET actor = 'operatork', action = 'ey.created' WHERE tenant_id = $1 AND seq = 2`,
        2,
      ],
      [
        'a time that was changed',
        `UPDATE argosy.audit_log SET at = at - interval '1 microsecond' WHERE tenant_id = $1 AND seq = 4`,
        4,
      ],
      ['an entry that was taken out', `DELETE FROM argosy.audit_log WHERE tenant_id = $1 AND seq = 2`, 2],
      ['an end that was cut off', `DELETE FROM argosy.audit_log WHERE tenant_id = $1 AND seq > 3`, 4],
      ['a head that was lost', `DELETE FROM argosy.audit_heads WHERE tenant_id = $1`, 1],
      ['two that were swapped', `${move(4, 0)}; ${move(5, 4)}; ${move(0, 5)}`, 4],
    ])('shows %s', async (_what, sql, entry) => {
      const tenantId = await logged();
      await tamper(sql, tenantId);
      await expect(verifyAudit(database(), tenantId)).rejects.toThrow(
        new RegExp(`^The audit log of ${tenantId} was changed: entry ${entry} `),
      );
    });

    it('is not changed by statements, not even those of its owner', async () => {
      const tenantId = await logged();
      for (const sql of [
        `UPDATE argosy.audit_log SET actor = 'x' WHERE tenant_id = $1`,
        'DELETE FROM argosy.audit_log WHERE tenant_id = $1',
      ]) {
        await expect(database().query(sql, [tenantId])).rejects.toThrow(/only ever appended to/);
      }
      await expect(database().script('TRUNCATE argosy.audit_log')).rejects.toThrow(/only ever appended to/);
    });

    it('is for gateways to append to and nothing else, and for their own tenant', async () => {
      const tenantId = await logged();
      const gateway = database().forTenant(tenantId);
      const append = `INSERT INTO argosy.audit_log (tenant_id, actor, action, subject) VALUES ($1, 'x', 'y', 'z')`;
      await gateway.query(append, [tenantId]);
      await expect(gateway.query(append, ['another'])).rejects.toThrow(/row-level security/);
      for (const sql of [
        'SELECT * FROM argosy.audit_log',
        `UPDATE argosy.audit_log SET actor = 'x'`,
        'DELETE FROM argosy.audit_log',
        'SELECT * FROM argosy.audit_heads',
        `UPDATE argosy.audit_heads SET hash = ''`,
        `INSERT INTO argosy.audit_log (tenant_id, seq, at, actor, action, subject, hash) VALUES ('${tenantId}', 1, now(), 'x', 'y', 'z', '')`,
      ]) {
        await expect(gateway.query(sql)).rejects.toThrow(/permission denied/);
      }
      expect(await verifyAudit(database(), tenantId)).toMatchObject({ entries: 6 });
    });

    it('and the keys show a gateway those of its tenant, and without one no more than a key by its id', async () => {
      const [tenantId, other] = [await logged(), await logged()];
      const count = async (named: string): Promise<unknown> => {
        const { rows } = await database()
          .forTenant(named)
          .query(`SELECT count(*)::int AS n, coalesce(min(tenant_id), '') AS t FROM argosy.api_keys`);
        return rows[0];
      };
      expect(await count(tenantId)).toEqual({ n: 3, t: tenantId });
      expect(await count(other)).toEqual({ n: 3, t: other });
      expect(await count('')).toEqual({ n: 0, t: '' });
      const denied = database().forTenant(tenantId).query('UPDATE argosy.api_keys SET mac = mac');
      await expect(denied).rejects.toThrow(/permission denied/);
    });
  });
});
