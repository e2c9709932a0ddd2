import { expect, it } from '@jest/globals';
import { acceptanceOf } from '../../../../test/support/research.ts';
import { Claims } from '../store/claims.ts';
import { accept, describeStores } from '../store/stores.contract.ts';
import { renewLease } from '../store/workers.ts';
import { Overview } from './overview.ts';
import { Scaling } from './scaling.ts';

describeStores((stores) => {
  /** As a gateway asks: it has the rows of no tenant. */
  const overview = () => new Overview(stores().database.forTenant('', 'argosy_gateway'));
  const today = new Date().toISOString().slice(0, 10);

  it('tells a gateway what waits and who works, of all tenants, and nothing of what was asked', async () => {
    const { database, owner } = stores();
    const before = await overview().fleet();
    await renewLease(database, { workerId: 'agent-1', role: 'agent-worker', slots: 4 }, 60_000);
    await renewLease(database, { workerId: 'agent-gone', role: 'agent-worker', slots: 4 }, -1_000);
    for (const tenantId of ['acme', 'umbra']) await accept(database, acceptanceOf(tenantId, `run-of-${tenantId}`));
    await new Claims(database).claim({ tenantId: 'acme', runId: 'run-of-acme', workerId: 'agent-1' });
    await owner.query(
      `INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
       VALUES ('acme', 'run-of-acme', 1000, 'tool.completed', 4, $1::jsonb)`,
      [JSON.stringify({ tool: 'visit', faults: [{ label: 'x', kind: 'timeout', message: 'late' }] })],
    );
    const now = await overview().fleet();
    expect(before.workers).toEqual([]);
    expect(now.queues).toEqual([
      { kind: 'indexing', waiting: 0, active: 0, oldest_seconds: 0 },
      expect.objectContaining({ kind: 'runs', waiting: 1, active: 1 }),
    ]);
    const jobs = [{ run_id: 'run-of-acme', tenant_id: 'acme' }];
    expect(now.workers).toEqual([{ id: 'agent-1', role: 'agent-worker', slots: 4, busy: 1, draining: false, jobs }]);
    expect(now.faults).toEqual([{ tool: 'visit', class: 'timeout', count: 1 }]);
    expect(JSON.stringify(now)).not.toContain('Why do locks expire?');
  });

  it('tells what each tenant spent by day, of runs that are gone, too', async () => {
    const spent = await overview().spending(today);
    expect(spent.map(({ tenant_id, runs }) => [tenant_id, runs])).toEqual([
      ['acme', 1],
      ['umbra', 1],
    ]);
    expect(await overview().spending('2999-01-01')).toEqual([]);
  });

  it('tells what the autoscaler decided last, and what it changed', async () => {
    const decided = (target: number, notable: boolean) => ({
      pool: 'agents',
      memory: null,
      decision: { target },
      notable,
    });
    await new Scaling(stores().database).record([decided(2, true)]);
    await new Scaling(stores().database).record([decided(3, false)]);
    const { pools, decisions } = await overview().scaling(10);
    expect(pools).toMatchObject([{ pool: 'agents', decision: { target: 3 } }]);
    expect(decisions).toMatchObject([{ pool: 'agents', decision: { target: 2 } }]);
  });

  it('gives a gateway no other way to them', async () => {
    const gateway = stores().database.forTenant('', 'argosy_gateway');
    for (const table of ['workers', 'scale_pools', 'scale_decisions']) {
      await expect(gateway.query(`SELECT * FROM argosy.${table}`)).rejects.toThrow(/permission denied/);
    }
    expect((await gateway.query('SELECT * FROM argosy.runs')).rows).toEqual([]);
  });
});
