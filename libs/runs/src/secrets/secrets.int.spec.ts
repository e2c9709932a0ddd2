import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { InvalidState, NotFound } from '#errors';
import { verifyAudit } from '../access/audit.ts';
import { type Bus, LocalBus } from '../bus.ts';
import { describeStores } from '../store/stores.contract.ts';
import { Secrets } from './secrets.ts';
import { SecretUnreadable } from './unreadable.ts';
import { secretsKeyOf } from './wrapping.ts';

const key = (): string => randomBytes(32).toString('base64');
const ours = key();
const name = 'search.brave';

function hurrying(): () => number {
  let now = 0;
  return () => {
    now += 3_600_000;
    return now;
  };
}
const standing = () => 0;

describeStores((stores) => {
  /** @param nowMs so fast a clock that nothing is remembered, unless another is given */
  const open = (keys = ours, bus: Bus = stores().bus, nowMs = hurrying()): Secrets =>
    new Secrets(stores().database, bus, { wrapping: secretsKeyOf(keys), nowMs });
  const by = (tenantId: string) => ({ tenantId, actor: 'key1' });
  const rowOf = async (tenantId: string) =>
    (
      await stores()
        .database.forTenant(tenantId, 'argosy_fleet')
        .query<{ key_id: string; sealed: Uint8Array }>('SELECT key_id, sealed FROM argosy.tenant_secrets')
    ).rows[0];

  describe('a secret of a tenant', () => {
    it('is read for its tenant, and listed without what it holds', async () => {
      const secrets = open();
      const set = await secrets.set(by('a'), name, 'canary-1');
      expect(set).toMatchObject({ name, fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/), last_used_at: null });
      expect(await secrets.list('a')).toEqual([set]);
      expect(await secrets.read('a', name)).toBe('canary-1');
      expect(await secrets.read('a2', name)).toBeNull();
      expect(await secrets.list('a2')).toEqual([]);
      const [used] = await secrets.list('a');
      expect(used).toEqual({ ...set, last_used_at: expect.stringMatching(/^\d{4}-.*Z$/) });
      expect(JSON.stringify(used)).not.toContain('canary-1');
      await secrets.close();
    });

    it('is replaced, with another fingerprint, also by the same text', async () => {
      const secrets = open();
      const first = await secrets.set(by('b'), name, 'one');
      await secrets.read('b', name);
      const second = await secrets.set(by('b'), name, 'one');
      expect(second).toMatchObject({ created_at: first.created_at, last_used_at: null });
      expect(second.fingerprint).not.toBe(first.fingerprint);
      await secrets.set(by('b'), name, 'two');
      expect(await secrets.read('b', name)).toBe('two');
      await secrets.close();
    });

    it('is gone when it was deleted, and cannot be deleted again', async () => {
      const secrets = open();
      await secrets.set(by('c'), name, 'one');
      await expect(secrets.remove(by('c2'), name)).rejects.toThrow(NotFound);
      await secrets.remove(by('c'), name);
      expect([await secrets.read('c', name), await secrets.list('c')]).toEqual([null, []]);
      await expect(secrets.remove(by('c'), name)).rejects.toThrow(NotFound);
      await secrets.close();
    });

    it('is in the audit log when it was set and deleted, by its name alone', async () => {
      const secrets = open();
      const { fingerprint } = await secrets.set(by('d'), name, 'canary-2');
      await secrets.remove(by('d'), name);
      const { rows } = await stores().owner.query(
        `SELECT actor, action, subject, details FROM argosy.audit_log WHERE tenant_id = 'd' ORDER BY seq`,
      );
      expect(rows).toEqual([
        { actor: 'key1', action: 'secret.set', subject: name, details: JSON.stringify({ fingerprint }) },
        { actor: 'key1', action: 'secret.deleted', subject: name, details: '{}' },
      ]);
      expect(await verifyAudit(stores().owner, 'd')).toMatchObject({ entries: 2 });
      await secrets.close();
    });

    it('cannot be set where nothing is there to seal it, and is read nowhere without its key', async () => {
      const [other, secrets] = [open(key()), open()];
      const bare = new Secrets(stores().database, stores().bus, { wrapping: null });
      await expect(bare.set(by('e'), name, 'canary-3')).rejects.toThrow(InvalidState);
      await expect(bare.set(by('e'), name, 'canary-3')).rejects.toThrow(/set ARGOSY_SECRETS_KEY.*openssl/);
      expect(await rowOf('e')).toBeUndefined();
      await secrets.set(by('e'), name, 'canary-3');
      await expect(bare.read('e', name)).rejects.toThrow(SecretUnreadable);
      await expect(other.read('e', name)).rejects.toMatchObject({ reason: 'unknown-key' });
      expect(await bare.list('e')).toHaveLength(1);
      for (const one of [other, secrets, bare]) await one.close();
    });

    it('is sealed anew with the first key when it is used, and then the old one is not needed', async () => {
      const [old, young] = [key(), key()];
      const before = open(old);
      const { fingerprint } = await before.set(by('f'), name, 'one');
      const sealedBefore = await rowOf('f');
      const rotating = open(`${young},${old}`);
      expect(await rotating.read('f', name)).toBe('one');
      const after = open(young);
      expect(await after.read('f', name)).toBe('one');
      expect((await rowOf('f'))?.key_id).not.toBe(sealedBefore?.key_id);
      expect((await after.list('f'))[0]?.fingerprint).toBe(fingerprint);
      await expect(before.read('f', name)).rejects.toMatchObject({ reason: 'unknown-key' });
      for (const one of [before, rotating, after]) await one.close();
    });

    it('does not open in the row of another tenant or name, nor as it was before it was set anew', async () => {
      const secrets = open();
      await secrets.set(by('g1'), name, 'one');
      await secrets.set(by('g2'), name, 'two');
      await secrets.set(by('g1'), 'search.exa', 'three');
      const steal = async (tenant: string, of: string, from: string) =>
        await stores().owner.query(
          `UPDATE argosy.tenant_secrets t SET key_id = s.key_id, wrapped = s.wrapped, sealed = s.sealed
           FROM argosy.tenant_secrets s WHERE t.tenant_id = $1 AND t.name = $2 AND s.tenant_id = 'g1' AND s.name = $3`,
          [tenant, of, from],
        );
      expect((await steal('g2', name, name)).changed).toBe(1);
      await expect(secrets.read('g2', name)).rejects.toMatchObject({ reason: 'not-its-own' });
      expect((await steal('g1', 'search.exa', name)).changed).toBe(1);
      await expect(secrets.read('g1', 'search.exa')).rejects.toMatchObject({ reason: 'not-its-own' });
      const earlier = await rowOf('g2');
      await secrets.set(by('g2'), name, 'newer');
      await stores().owner.query(`UPDATE argosy.tenant_secrets SET sealed = $1 WHERE tenant_id = 'g2'`, [
        earlier?.sealed,
      ]);
      await expect(secrets.read('g2', name)).rejects.toMatchObject({ reason: 'not-its-own' });
      expect(await secrets.read('g1', name)).toBe('one');
      await secrets.close();
    });
  });

  describe('what was read of a secret', () => {
    it('is remembered, and forgotten when one hears of a change or a deletion', async () => {
      const far = open(ours, stores().bus, standing);
      const gateway = open();
      expect(await far.read('h', name)).toBeNull();
      await gateway.set(by('h'), name, 'one');
      while ((await far.read('h', name)) !== 'one') await new Promise(setImmediate);
      await gateway.remove(by('h'), name);
      while ((await far.read('h', name)) !== null) await new Promise(setImmediate);
      for (const one of [far, gateway]) await one.close();
    });

    it('is honoured for less than five seconds after it was changed or deleted, where one hears of nothing', async () => {
      let now = 0;
      const deaf = open(ours, new LocalBus(), () => now);
      const gateway = open();
      await gateway.set(by('i'), name, 'one');
      expect(await deaf.read('i', name)).toBe('one');
      await gateway.set(by('i'), name, 'two');
      now = 3_999;
      expect(await deaf.read('i', name)).toBe('one');
      now = 4_999;
      expect(await deaf.read('i', name)).toBe('two');
      await gateway.remove(by('i'), name);
      now = 9_998;
      expect(await deaf.read('i', name)).toBeNull();
      // Nor is it taken for true for long that there is none.
      await gateway.set(by('i'), name, 'three');
      now = 14_997;
      expect(await deaf.read('i', name)).toBe('three');
      for (const one of [deaf, gateway]) await one.close();
    });

    it('is not a fault: that is told, and looked at again', async () => {
      const [other, secrets] = [open(key(), new LocalBus(), standing), open()];
      await secrets.set(by('j'), name, 'one');
      await expect(other.read('j', name)).rejects.toThrow(SecretUnreadable);
      await secrets.remove(by('j'), name);
      expect(await other.read('j', name)).toBeNull();
      for (const one of [other, secrets]) await one.close();
    });
  });

  describe('the database', () => {
    it('shows no gateway what is sealed, and the fleet only that of the tenant that it names', async () => {
      const secrets = open();
      for (const tenant of ['k1', 'k2']) await secrets.set(by(tenant), name, 'one');
      const { database } = stores();
      const door = database.forTenant('k1');
      for (const column of ['sealed', 'wrapped', 'key_id', '*']) {
        const sql = `SELECT ${column} FROM argosy.tenant_secrets`;
        await expect(door.query(sql)).rejects.toThrow(/permission denied for table tenant_secrets/);
      }
      const leak = `UPDATE argosy.tenant_secrets SET version = encode(sealed, 'hex')`;
      await expect(door.query(leak)).rejects.toThrow(/permission denied/);
      expect((await door.query('SELECT tenant_id FROM argosy.tenant_secrets')).rows).toEqual([{ tenant_id: 'k1' }]);
      const worker = database.forTenant('k1', 'argosy_fleet');
      expect((await worker.query('SELECT tenant_id, sealed FROM argosy.tenant_secrets')).rows).toMatchObject([
        { tenant_id: 'k1' },
      ]);
      const unnamed = database.forTenant('', 'argosy_fleet');
      expect((await unnamed.query('SELECT 1 FROM argosy.tenant_secrets')).rows).toEqual([]);
      for (const sql of [
        'DELETE FROM argosy.tenant_secrets',
        `UPDATE argosy.tenant_secrets SET version = 'x'`,
        `INSERT INTO argosy.tenant_secrets (tenant_id, name, version, key_id, wrapped, sealed) VALUES ('k1', 'n', '', '', '', '')`,
      ])
        await expect(worker.query(sql)).rejects.toThrow(/permission denied/);
      await secrets.close();
    });
  });
});
