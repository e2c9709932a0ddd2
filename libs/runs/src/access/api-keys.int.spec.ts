import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { InvalidState, NotFound } from '#errors';
import { type Bus, LocalBus } from '../bus.ts';
import type { Database } from '../store/database.ts';
import { describeStores } from '../store/stores.contract.ts';
import { ApiKeys } from './api-keys.ts';
import { ensureTenant } from './key-records.ts';
import { newKeyText } from './key-text.ts';
import type { KeyHolder, KeyringTimes } from './keyring.ts';

const pepper = randomBytes(32);
const never: KeyringTimes = { freshMs: 1e9, everyMs: 1e6, lapseMs: 1e9 };
const quick: KeyringTimes = { freshMs: 10, everyMs: 5, lapseMs: 1e9 };
const wish = { name: 'ci', scopes: ['research:read'], expiresAt: null };

async function ended({ ends }: KeyHolder): Promise<string> {
  if (!ends.aborted) await once(ends, 'abort');
  return ends.reason as string; // as the ring gives it
}

describeStores((stores) => {
  let tenants = 0;
  async function tenant(): Promise<string> {
    tenants += 1;
    await ensureTenant(stores().database, `t${tenants}`);
    return `t${tenants}`;
  }
  const open = (times = quick, bus: Bus = stores().bus, database: Database = stores().database): ApiKeys =>
    new ApiKeys(database, bus, { pepper, env: 'test', times });

  async function keyOf(keys: ApiKeys, tenantId: string, changes: Partial<typeof wish> = {}) {
    return await keys.create({ tenantId, actor: 'operator' }, { ...wish, ...changes });
  }

  describe('a key', () => {
    it('is let in as what it was made for, and noted as used', async () => {
      const keys = open();
      const tenantId = await tenant();
      const { key, text } = await keyOf(keys, tenantId);
      expect(key).toMatchObject({ name: 'ci', scopes: ['research:read'], revoked_at: null, last_used_at: null });
      const holder = await keys.ring.admit(text);
      expect(holder).toMatchObject({ tenantId, keyId: key.id, scopes: ['research:read'] });
      expect(holder.ends.aborted).toBe(false);
      const [listed] = await keys.list(tenantId, null, 10);
      expect(listed).toEqual({ ...key, last_used_at: expect.stringMatching(/^\d{4}-.*Z$/) });
      await keys.close();
    });

    it('lies in no table: what does is of no use as one', async () => {
      const keys = open();
      const tenantId = await tenant();
      const { key, text } = await keyOf(keys, tenantId);
      const { rows } = await stores()
        .database.forTenant(tenantId)
        .query<{ row: string; mac: Uint8Array }>(
          'SELECT k::text AS row, mac FROM argosy.api_keys k WHERE key_id = $1',
          [key.id],
        );
      const [, , , secret = ''] = text.split('_');
      expect(rows[0]?.row).not.toContain(secret);
      const other = new ApiKeys(stores().database, new LocalBus(), { pepper: randomBytes(32), env: 'test' });
      await expect(other.ring.admit(text)).rejects.toThrow(/not accepted/);
      await other.close();
      await keys.close();
    });

    it('is refused in the same words when it is unknown, revoked, expired, or has the secret of another', async () => {
      const keys = open(never);
      const tenantId = await tenant();
      const [revoked, one, two] = [
        await keyOf(keys, tenantId),
        await keyOf(keys, tenantId),
        await keyOf(keys, tenantId),
      ];
      await keys.revoke({ tenantId, actor: 'operator' }, revoked.key.id);
      const past = await keyOf(keys, tenantId, { expiresAt: new Date(Date.now() - 1).toISOString() } as never);
      const [, , id = ''] = one.text.split('_');
      const mixed = newKeyText('test', Buffer.concat([Buffer.from(id, 'hex'), randomBytes(32)])).text;
      const strange = newKeyText('test', randomBytes(40)).text;
      const words = await Promise.all(
        [revoked.text, past.text, mixed, strange].map(
          async (text) =>
            await keys.ring.admit(text).then(
              () => 'let in',
              (error: { code: string; message: string }) => `${error.code} ${error.message}`,
            ),
        ),
      );
      expect(new Set(words)).toEqual(
        new Set([expect.stringMatching(/^invalid_api_key .*unknown, revoked or expired/)]),
      );
      await expect(keys.ring.admit(two.text.slice(0, -1))).rejects.toThrow(/no whole API key/);
      expect((await keys.ring.admit(two.text)).keyId).toBe(two.key.id);
      await keys.close();
    });

    it('may have another beside it while one takes the place of the other', async () => {
      const keys = open(never);
      const tenantId = await tenant();
      const [old, fresh] = [await keyOf(keys, tenantId), await keyOf(keys, tenantId)];
      for (const { text } of [old, fresh]) expect((await keys.ring.admit(text)).tenantId).toBe(tenantId);
      await keys.revokeNamesakes({ tenantId, actor: 'operator' }, fresh.key);
      await expect(keys.ring.admit(old.text)).rejects.toThrow(/not accepted/);
      expect((await keys.ring.admit(fresh.text)).tenantId).toBe(tenantId);
      await keys.close();
    });

    it('is no longer made when there are a hundred that live, and again when one was revoked', async () => {
      const keys = open(never);
      const tenantId = await tenant();
      const first = await keyOf(keys, tenantId);
      for (let count = 1; count < 100; count += 1) await keyOf(keys, tenantId);
      await expect(keyOf(keys, tenantId)).rejects.toThrow(InvalidState);
      await keys.revoke({ tenantId, actor: 'operator' }, first.key.id);
      await keyOf(keys, tenantId);
      await keys.close();
    });
  });

  describe('a list of keys', () => {
    it('comes page by page, newest first, none twice and none of another tenant', async () => {
      const keys = open(never);
      const [tenantId, other] = [await tenant(), await tenant()];
      await keyOf(keys, other);
      const made: string[] = [];
      for (let count = 0; count < 5; count += 1) made.unshift((await keyOf(keys, tenantId)).key.id);
      const seen: string[] = [];
      for (let before: string | null = null; ; ) {
        const page = await keys.list(tenantId, before, 2);
        seen.push(...page.map(({ id }) => id));
        if (page.length < 2) break;
        before = seen.at(-1) ?? null;
      }
      expect(seen).toEqual(made);
      await keys.close();
    });

    it('and its keys are for their own tenant alone to revoke', async () => {
      const keys = open(never);
      const [tenantId, other] = [await tenant(), await tenant()];
      const { key, text } = await keyOf(keys, tenantId);
      await expect(keys.revoke({ tenantId: other, actor: 'x' }, key.id)).rejects.toThrow(NotFound);
      expect((await keys.ring.admit(text)).tenantId).toBe(tenantId);
      const gone = await keys.revoke({ tenantId, actor: 'x' }, key.id);
      expect(await keys.revoke({ tenantId, actor: 'x' }, key.id)).toEqual(gone);
      await keys.close();
    });
  });

  describe('a revoked key', () => {
    it('ends at once what is done for it in other processes, which the bus tells', async () => {
      const [here, there] = [open(never), open(never)];
      const tenantId = await tenant();
      const { key, text } = await keyOf(here, tenantId);
      const holder = await there.ring.admit(text);
      await here.revoke({ tenantId, actor: 'operator' }, key.id);
      expect(await ended(holder)).toBe('revoked or expired');
      await expect(there.ring.admit(text)).rejects.toThrow(/not accepted/);
      await here.close();
      await there.close();
    });

    it('ends soon where the bus is not heard', async () => {
      const [here, there] = [open(never), open(quick, new LocalBus())];
      const tenantId = await tenant();
      const { key, text } = await keyOf(here, tenantId);
      const holder = await there.ring.admit(text);
      await here.revoke({ tenantId, actor: 'operator' }, key.id);
      expect(await ended(holder)).toBe('revoked or expired');
      await here.close();
      await there.close();
    });

    it('ends soon when it expires', async () => {
      const keys = open();
      const tenantId = await tenant();
      const { key, text } = await keyOf(keys, tenantId);
      const holder = await keys.ring.admit(text);
      await stores().database.script(`UPDATE argosy.api_keys SET expires_at = now() WHERE key_id = '${key.id}'`);
      expect(await ended(holder)).toBe('revoked or expired');
      await keys.close();
    });
  });

  it('a key that nobody can look at ends, so that none is of use for longer than that', async () => {
    let away = false;
    const database: Database = {
      ...stores().database,
      forTenant: (tenantId) => ({
        query: async (text, values) => {
          if (away) return await new Promise(() => undefined);
          return await stores().database.forTenant(tenantId).query(text, values);
        },
      }),
    };
    const keys = open({ freshMs: 10, everyMs: 5, lapseMs: 50 }, new LocalBus(), database);
    const { text } = await keyOf(keys, await tenant());
    const holder = await keys.ring.admit(text);
    away = true;
    expect(await ended(holder)).toBe('could not be looked at');
  });

  it('a key is asked about once for all who show it within a while', async () => {
    let looks = 0;
    const database: Database = {
      ...stores().database,
      forTenant: (tenantId) => ({
        query: async (text, values) => {
          looks += Number(text.includes('find_keys'));
          return await stores().database.forTenant(tenantId).query(text, values);
        },
      }),
    };
    const keys = open(never, new LocalBus(), database);
    const { text } = await keyOf(keys, await tenant());
    const holders = await Promise.all(Array.from({ length: 20 }, async () => await keys.ring.admit(text)));
    await keys.ring.admit(text);
    expect([holders.length, looks]).toEqual([20, 1]);
    await keys.close();
    expect(holders.every(({ ends }) => ends.aborted)).toBe(true);
  });
});
