import { expect, it } from '@jest/globals';
import { acceptanceOf } from '../../../../test/support/research.ts';
import { Claims } from '../store/claims.ts';
import { Ledger } from '../store/ledger.ts';
import { accept, describeStores } from '../store/stores.contract.ts';
import { renewLease } from '../store/workers.ts';
import { Scaling } from './scaling.ts';

describeStores((stores) => {
  const scaling = () => new Scaling(stores().database);
  const worker = { workerId: 'agent-worker-pod-a-7-0a1b2c3d-1', role: 'agent-worker', slots: 4 };

  it('counts what waits and what is in work, and what came and ended since', async () => {
    const { database } = stores();
    const before = await scaling().work('agent-worker', 0);
    await renewLease(database, worker, 60_000);
    const [first, second] = [
      await accept(database, acceptanceOf('count', 'run-1')),
      await accept(database, acceptanceOf('count', 'run-2')),
    ];
    await new Claims(database).claim({ tenantId: 'count', runId: first.runId, workerId: worker.workerId });
    const work = await scaling().work('agent-worker', before.atMs);
    expect(work).toMatchObject({ waiting: before.waiting + 1, active: before.active + 1, arrived: 2, finished: 0 });
    expect(work.oldestWaitMs).toBeGreaterThan(0);
    await database.query(`UPDATE argosy.runs SET state = 'cancelled', ended_at = now() WHERE run_id = $1`, [
      second.runId,
    ]);
    const later = await scaling().work('agent-worker', before.atMs);
    expect(later).toMatchObject({ waiting: before.waiting, arrived: 2, finished: 1 });
    expect(await scaling().work('agent-worker', later.atMs)).toMatchObject({ arrived: 0, finished: 0 });
    expect(await scaling().work('tool-worker', 0)).toMatchObject({ waiting: 0, active: 0, oldestWaitMs: 0 });
  });

  it('counts for inference groups also the runs that found no place at one, and not those whose worker failed', async () => {
    const { database } = stores();
    const [claims, ledger] = [new Claims(database), new Ledger(database)];
    const counted = async () => {
      const { waiting, active, oldestWaitMs } = await scaling().work('inference', 0);
      const agents = await scaling().work('agent-worker', 0);
      return { waiting, active, oldestWaitMs, ofAgents: agents.waiting };
    };
    const begun = async (runId: string) => {
      await accept(database, acceptanceOf('sessions', runId));
      const run = await claims.claim({ tenantId: 'sessions', runId, workerId: worker.workerId });
      if (run === null) throw new Error(`${runId} was not claimed`);
      return run;
    };
    await renewLease(database, worker, 60_000);
    const before = await counted();
    const after = async () => {
      const { waiting, active, oldestWaitMs, ofAgents } = await counted();
      return {
        ...{ waiting: waiting - before.waiting, active: active - before.active },
        ...{ oldestWaitMs, ofAgents: ofAgents - before.ofAgents },
      };
    };
    await accept(database, acceptanceOf('sessions', 'due'));
    expect(await after()).toEqual({ waiting: 1, active: 0, oldestWaitMs: 0, ofAgents: 1 });
    const [, refused, failed] = [await begun('active'), await begun('refused'), await begun('failed')];
    expect(await after()).toEqual({ waiting: 1, active: 3, oldestWaitMs: 0, ofAgents: 1 });
    await ledger.commit(refused, { events: [], outcome: { state: 'queued', afterMs: 60_000 } });
    expect(await after()).toEqual({ waiting: 2, active: 2, oldestWaitMs: 0, ofAgents: 1 });
    await ledger.commit(failed, { events: [], outcome: { state: 'queued', afterMs: 60_000, fault: 'a broken page' } });
    expect(await after()).toEqual({ waiting: 2, active: 1, oldestWaitMs: 0, ofAgents: 1 });
    await database.query(`UPDATE argosy.runs SET not_before = now() WHERE run_id = 'refused'`);
    expect(await after()).toEqual({ waiting: 2, active: 1, oldestWaitMs: 0, ofAgents: 2 });
    await database.query(`DELETE FROM argosy.runs WHERE tenant_id = 'sessions'`);
    expect(await after()).toEqual({ waiting: 0, active: 0, oldestWaitMs: 0, ofAgents: 0 });
  });

  it('tells a worker to drain until it is told otherwise, and shows what each has in work', async () => {
    const { database } = stores();
    expect(await renewLease(database, worker, 60_000)).toBe(false);
    await scaling().drain([worker.workerId], true);
    expect(await renewLease(database, { ...worker, slots: 0 }, 60_000)).toBe(true);
    const [seen] = await scaling().workers('agent-worker');
    expect(seen).toMatchObject({ workerId: worker.workerId, slots: 0, busy: 1, drainsSinceMs: expect.any(Number) });
    expect(seen?.ageMs).toBeGreaterThan(0);
    await scaling().drain([worker.workerId], false);
    expect(await renewLease(database, worker, 60_000)).toBe(false);
    expect(await scaling().workers('tool-worker')).toEqual([]);
  });

  it('keeps the last of a pool, and of its decisions those that changed something', async () => {
    const decided = (target: number, notable: boolean) => ({
      pool: 'agents',
      memory: { target },
      decision: { target },
      notable,
    });
    await scaling().record([decided(1, true)]);
    await scaling().record([decided(1, false)]);
    await scaling().record([decided(2, true)]);
    expect(await scaling().pools()).toMatchObject([{ pool: 'agents', memory: { target: 2 }, decision: { target: 2 } }]);
    const decisions = await scaling().decisions('agents', 10);
    expect(decisions.map(({ decision }) => decision)).toEqual([{ target: 2 }, { target: 1 }]);
    expect(await scaling().decisions('agents', 1)).toHaveLength(1);
  });
});
