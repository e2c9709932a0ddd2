import { describe, expect, it } from '@jest/globals';
import { InvalidInput, InvalidState, NotFound } from '#errors';
import { describeStores } from './store/stores.contract.ts';
import { Tenants } from './tenants.ts';

const nothingOfItsOwn = {
  retention_days: null,
  providers: null,
  limits: { concurrent_runs: null, requests_per_minute: null, tokens_per_day: null, usd_per_day: null },
  trace_content: false,
};

describeStores((stores) => {
  /** As an operator has them. */
  const tenants = (nowMs?: () => number) => new Tenants(stores().owner, nowMs);

  describe('a tenant', () => {
    it('is made once, with what it has of its own', async () => {
      const made = await tenants().create({ tenantId: 'acme', name: 'Acme' }, { providers: ['searxng'] });
      const settings = { ...nothingOfItsOwn, providers: ['searxng'] };
      expect(made).toEqual({ tenantId: 'acme', name: 'Acme', settings, createdAt: expect.stringMatching(/Z$/) });
      expect(await tenants().get('acme')).toEqual(made);
      await expect(tenants().create({ tenantId: 'acme', name: 'Again' })).rejects.toThrow(InvalidState);
    });

    it('is changed in what is named, and stays as it was in the rest', async () => {
      await tenants().create({ tenantId: 'b', name: 'B' }, { retention_days: 7, limits: { usd_per_day: 1.5 } });
      const { settings } = await tenants().update('b', { providers: [], limits: { concurrent_runs: 3 } });
      const limits = { ...nothingOfItsOwn.limits, usd_per_day: 1.5, concurrent_runs: 3 };
      expect(settings).toEqual({ ...nothingOfItsOwn, retention_days: 7, providers: [], limits });
      expect((await tenants().update('b', { retention_days: null })).settings).toEqual({
        ...settings,
        retention_days: null,
      });
      await expect(tenants().update('nobody', {})).rejects.toThrow(NotFound);
    });

    it('is for operators to change, who leave a trace in its audit log', async () => {
      await tenants().create({ tenantId: 'f', name: 'F' });
      await tenants().update('f', { retention_days: 9 });
      const sql = `SELECT actor, action, subject, details FROM argosy.audit_log WHERE tenant_id = 'f'`;
      const { rows } = await stores().owner.query<{ details: string }>(sql);
      expect(rows).toMatchObject([{ actor: 'operator', action: 'tenant.changed', subject: 'f' }]);
      expect(JSON.parse(rows[0]?.details ?? '')).toMatchObject({ retention_days: 9 });
      const change = `UPDATE argosy.tenants SET settings = '{}' WHERE tenant_id = 'f'`;
      await expect(stores().database.forTenant('f').query(change)).rejects.toThrow(/permission denied/);
    });

    it.each([
      [{ retention_days: 0 }, 'retention_days'],
      [{ retention_days: 1.5 }, 'retention_days'],
      [{ providers: [''] }, 'providers.0'],
      [{ limits: { tokens_per_day: -1 } }, 'limits.tokens_per_day'],
      [{ limits: { usd_per_day: Number.POSITIVE_INFINITY } }, 'limits.usd_per_day'],
    ])('takes no %j', async (changes, path) => {
      const making = tenants().create({ tenantId: 'c', name: 'C' }, changes);
      await expect(making).rejects.toThrow(InvalidInput);
      await expect(making).rejects.toThrow(path);
    });

    it.each(['', 'A', 'a b', '-a', 'ä', 'a'.repeat(64), '../a', 'a/b'])('takes no id %j', async (tenantId) => {
      await expect(tenants().create({ tenantId, name: 'x' })).rejects.toThrow(InvalidInput);
    });

    it('that was never made has nothing of its own, and cannot be shown', async () => {
      expect(await tenants().settings('unmade')).toEqual(nothingOfItsOwn);
      await expect(tenants().get('unmade')).rejects.toThrow(NotFound);
    });

    it('goes by new settings within 5 seconds in every process, and at once where they were made', async () => {
      let nowMs = 0;
      const [here, there] = [tenants(() => nowMs), tenants(() => nowMs)];
      await here.create({ tenantId: 'd', name: 'D' }, { retention_days: 1 });
      const seen = async () => [(await here.settings('d')).retention_days, (await there.settings('d')).retention_days];
      expect(await seen()).toEqual([1, 1]);
      await here.update('d', { retention_days: 2 });
      expect(await seen()).toEqual([2, 1]);
      nowMs = 5_000;
      expect(await seen()).toEqual([2, 2]);
    });

    it('goes by what this release knows of the settings that a later one stored', async () => {
      await tenants().create({ tenantId: 'e', name: 'E' });
      await stores().owner.query(
        `UPDATE argosy.tenants SET settings = '{"retention_days": 3, "colour": "red", "limits": {"moons": 1}}'
         WHERE tenant_id = 'e'`,
      );
      expect(await tenants().settings('e')).toEqual({ ...nothingOfItsOwn, retention_days: 3 });
    });
  });
});
