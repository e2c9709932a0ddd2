import { describe, expect, it } from '@jest/globals';
import { acceptanceOf, requestOf } from '../../../../test/support/research.ts';
import type { Statements } from './database.ts';
import { accept, describeStores } from './stores.contract.ts';
import { getRun } from './views.ts';

/** Tables that name a tenant and that the database does not keep apart by it, and why. */
async function openTables(statements: Statements): Promise<string[]> {
  const { rows } = await statements.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'argosy'::regnamespace AND NOT (
       c.relrowsecurity AND c.relforcerowsecurity
       AND EXISTS (SELECT 1 FROM pg_policies p WHERE p.schemaname = 'argosy' AND p.tablename = c.relname
         AND p.roles = ARRAY['argosy_gateway']::name[] AND p.cmd = 'ALL' AND p.permissive = 'PERMISSIVE'
         AND p.qual LIKE '%tenant_id = NULLIF(current_setting(''argosy.tenant''%' AND p.with_check = p.qual)
       AND NOT EXISTS (SELECT 1 FROM pg_policies p WHERE p.schemaname = 'argosy' AND p.tablename = c.relname
         AND p.roles && ARRAY['public', 'argosy_gateway']::name[] AND p.policyname <> 'of_its_tenant'
           -- One that restricts shows nothing more.
           AND p.permissive = 'PERMISSIVE'))
     ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

const whoAmI = `SELECT current_user AS role, current_setting('argosy.tenant', true) AS tenant`;

describeStores((stores) => {
  const database = () => stores().database;

  describe('every table with a tenant', () => {
    it('is under forced row-level security, with one policy for the gateway', async () => {
      expect(await openTables(database())).toEqual([]);
    });

    it.each([
      ['', ''],
      ['with row-level security that its owner is above', 'ALTER TABLE argosy.planted ENABLE ROW LEVEL SECURITY;'],
      [
        'with a second policy that shows everything',
        `ALTER TABLE argosy.planted ENABLE ROW LEVEL SECURITY; ALTER TABLE argosy.planted FORCE ROW LEVEL SECURITY;
         CREATE POLICY of_its_tenant ON argosy.planted TO argosy_gateway
           USING (tenant_id = nullif(current_setting('argosy.tenant', true), ''))
           WITH CHECK (tenant_id = nullif(current_setting('argosy.tenant', true), ''));
         CREATE POLICY wide ON argosy.planted FOR SELECT USING (true);`,
      ],
    ])('or would be found: one planted %s', async (_how, sql) => {
      await database().script(`CREATE TABLE argosy.planted (tenant_id text PRIMARY KEY); ${sql}`);
      try {
        expect(await openTables(database())).toEqual(['planted']);
      } finally {
        await database().script('DROP TABLE argosy.planted');
      }
    });

    it('goes with its run, where it has one', async () => {
      const { rows } = await stores().owner.query<{ name: string; goes: boolean }>(
        `SELECT c.relname AS name,
           position('DELETE FROM argosy.' || c.relname || ' ' IN pg_get_functiondef('argosy.forget_history'::regproc)) > 0 AS goes
         FROM pg_class c JOIN pg_attribute r ON r.attrelid = c.oid AND r.attname = 'run_id'
         WHERE c.relkind = 'r' AND c.relnamespace = 'argosy'::regnamespace AND c.relname <> 'runs' ORDER BY 1`,
      );
      expect(rows.length).toBeGreaterThanOrEqual(4);
      expect(rows.filter(({ goes }) => !goes)).toEqual([]);
    });

    it('is left alone by roles that may not log in, own nothing and are not above the rules', async () => {
      const { rows } = await database().query(
        `SELECT r.rolname, r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole
           OR EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid) AS mighty
         FROM pg_roles r WHERE r.rolname IN ('argosy_gateway', 'argosy_fleet') ORDER BY 1`,
      );
      expect(rows).toEqual([
        { rolname: 'argosy_fleet', mighty: false },
        { rolname: 'argosy_gateway', mighty: false },
      ]);
    });
  });

  describe('the door of a tenant', () => {
    const secretOf = (tenantId: string) => requestOf({ question: `secret of ${tenantId}` });

    it('shows its rows to a statement that asks for all, and nobody else’s', async () => {
      for (const tenantId of ['a1', 'a2'])
        await accept(database().forTenant(tenantId), acceptanceOf(tenantId, 'r', { request: secretOf(tenantId) }));
      for (const table of ['runs', 'events']) {
        const { rows } = await database().forTenant('a1').query(`SELECT DISTINCT tenant_id FROM argosy.${table}`);
        expect(rows).toEqual([{ tenant_id: 'a1' }]);
      }
      expect(await getRun(database().forTenant('a1'), 'a2', 'r')).toBeNull();
      expect(await getRun(database().forTenant('a2'), 'a2', 'r')).toMatchObject({ question: 'secret of a2' });
    });

    it('shows nothing where no tenant is named, public evidence neither', async () => {
      await accept(database().forTenant('b1'), acceptanceOf('b1', 'r'));
      await database().query(
        `INSERT INTO argosy.evidence (tenant_id, key_hash, key, expires_at) VALUES ('', 'b', 'b', now())`,
      );
      const nobody = database().forTenant('');
      for (const table of ['runs', 'steps', 'events', 'tool_calls', 'blobs', 'corpora', 'files', 'evidence', 'tenants'])
        expect((await nobody.query(`SELECT 1 FROM argosy.${table}`)).rows).toEqual([]);
    });

    it('lets nothing be written for another tenant, nor changed or removed', async () => {
      await accept(database().forTenant('c1'), acceptanceOf('c1', 'r'));
      const other = database().forTenant('c2');
      const security = /violates row-level security/;
      await expect(accept(other, acceptanceOf('c1', 'r2'))).rejects.toThrow(security);
      await accept(other, acceptanceOf('c2', 'r'));
      await expect(other.query(`UPDATE argosy.runs SET tenant_id = 'c1'`)).rejects.toThrow(security);
      expect((await other.query(`UPDATE argosy.runs SET cancel_requested = true WHERE tenant_id = 'c1'`)).changed).toBe(
        0,
      );
      expect((await other.query('DELETE FROM argosy.runs')).changed).toBe(1);
      expect(await getRun(database(), 'c1', 'r')).not.toBeNull();
    });

    it('reaches neither the fleet’s own tables nor what a tenant may', async () => {
      const door = database().forTenant('d1');
      for (const sql of [
        'SELECT 1 FROM argosy.workers',
        'SELECT 1 FROM argosy.leaders',
        'SELECT 1 FROM argosy.migrations',
        `INSERT INTO argosy.tenants (tenant_id, name) VALUES ('d1', 'd1')`,
        `UPDATE argosy.tenants SET settings = '{}'`,
        'ALTER TABLE argosy.runs DISABLE ROW LEVEL SECURITY',
      ])
        await expect(door.query(sql)).rejects.toThrow(/permission denied|must be owner/);
    });

    it('leaves nothing of itself behind, also where its statement failed, however many share the connections', async () => {
      const before = (await database().query(whoAmI)).rows;
      await Promise.all(
        Array.from({ length: 60 }, async (_, n) => {
          const tenant = `e${n}`;
          const door = database().forTenant(tenant);
          expect((await door.query(whoAmI)).rows).toEqual([{ role: 'argosy_gateway', tenant }]);
          await expect(door.query('SELECT 1 / 0')).rejects.toThrow(/division by zero/);
          expect((await database().query<{ tenant: string | null }>(whoAmI)).rows[0]?.tenant ?? '').toBe('');
        }),
      );
      expect((await database().query<{ role: string }>(whoAmI)).rows[0]?.role).toBe(
        (before[0] as { role: string }).role,
      );
    });

    it('takes a tenant’s name for a name, whatever stands in it', async () => {
      const odd = `o'dd"; RESET ROLE; -- \\ é`;
      await accept(database().forTenant(odd), acceptanceOf(odd, 'r'));
      const { rows } = await database().forTenant(odd).query('SELECT tenant_id FROM argosy.runs');
      expect(rows).toEqual([{ tenant_id: odd }]);
    });
  });
});
