import { beforeEach, describe, expect, it } from '@jest/globals';
import { acceptanceOf, asked, observationOf, placed, reportOf, searchOf } from '../../../../test/support/research.ts';
import { accept } from './accept.ts';
import { claimCall, finishCall } from './calls.ts';
import { claim, endAllLeases, endLease, renewLease } from './claims.ts';
import { Ledger } from './ledger.ts';
import { LogUnreadable } from './log.ts';
import { describeStores } from './stores.contract.ts';
import { endCancelledUnstarted, putBackStranded, takeDue } from './sweep.ts';
import { getRun, readEvents } from './views.ts';

describeStores((stores) => {
  const database = () => stores().database;

  const longMs = 600_000;
  const day = 86_400_000;
  let ledger: Ledger;

  // What sweeps look at spans tenants, so each test begins with an empty record.
  beforeEach(async () => {
    ledger = new Ledger(database());
    await database().script('TRUNCATE argosy.runs, argosy.workers CASCADE');
    for (const workerId of ['w1', 'w2']) await renewLease(database(), workerId, 'agent-worker', longMs);
  });

  async function accepted(runId = 'run', tenantId = 'acme'): Promise<void> {
    await accept(database(), acceptanceOf(tenantId, runId));
  }
  async function owned(workerId = 'w1', runId = 'run') {
    const taken = await claim(database(), 'acme', runId, workerId);
    if (taken === null) throw new Error(`${workerId} could not claim ${runId}.`);
    return taken;
  }
  const set = (what: string) => database().query(`UPDATE argosy.runs SET ${what}`);
  const view = (runId = 'run') => getRun(database(), 'acme', runId);
  const typesOf = async (runId = 'run') => (await readEvents(database(), 'acme', runId, 0)).map(({ type }) => type);
  const seqsOf = async (runId = 'run') => (await readEvents(database(), 'acme', runId, 0)).map(({ seq }) => seq);
  const stepCommit = (number: number) => ({ step: { number, event: asked(searchOf('q')), answered: [] }, events: [] });

  describe('claim', () => {
    it('gives a run to one of 150 claimers that race for it', async () => {
      await accepted();
      const workers = Array.from({ length: 150 }, (_, i) => `racer-${i}`);
      for (const workerId of workers) await renewLease(database(), workerId, 'agent-worker', longMs);
      const claims = await Promise.all(workers.map((workerId) => claim(database(), 'acme', 'run', workerId)));
      const winners = claims.filter((one) => one !== null);
      expect(winners).toMatchObject([{ epoch: 1, runId: 'run', log: [], cancelRequested: false }]);
    });

    it('gives each epoch to one owner, over and over', async () => {
      await accepted();
      for (let epoch = 1; epoch <= 5; epoch++) {
        const claims = await Promise.all(
          Array.from({ length: 20 }, (_, i) => claim(database(), 'acme', 'run', `w${1 + (i % 2)}`)),
        );
        const [winner, ...others] = claims.filter((one) => one !== null);
        expect([winner?.epoch, others]).toEqual([epoch, []]);
        await endLease(database(), winner?.workerId ?? '');
        await renewLease(database(), winner?.workerId ?? '', 'agent-worker', longMs);
        await set(`state = 'queued', worker_id = NULL`);
      }
    });

    it('tells clients once that the run started', async () => {
      await accepted();
      const first = await owned('w1');
      await ledger.commit(first, { events: [], outcome: { state: 'queued' } });
      await owned('w2');
      expect(await typesOf()).toEqual(['run.accepted', 'run.started', 'step.started']);
      expect(await seqsOf()).toEqual([1, 2, 3]);
    });

    it('takes nothing from an owner that lives, nor from itself', async () => {
      await accepted();
      await owned('w1');
      expect(await claim(database(), 'acme', 'run', 'w2')).toBeNull();
      expect(await claim(database(), 'acme', 'run', 'w1')).toBeNull();
    });

    it.each<[string, () => Promise<unknown>]>([
      ['gave its lease up', () => endLease(database(), 'w1')],
      ['let its lease run out', () => renewLease(database(), 'w1', 'agent-worker', -1)],
      [
        'belonged to an earlier process',
        async () => {
          await endAllLeases(database());
          await renewLease(database(), 'w2', 'agent-worker', longMs);
        },
      ],
    ])('takes over from an owner that %s, whose late commit is refused', async (_how, die) => {
      await accepted();
      const zombie = await owned('w1');
      await die();
      const heir = await owned('w2');
      expect(heir.epoch).toBe(2);
      expect(await ledger.commit(zombie, stepCommit(1))).toEqual({ accepted: false });
      expect(await ledger.commit(heir, stepCommit(1))).toMatchObject({ accepted: true });
      // The zombie comes back to life: the run is not its own any more.
      await renewLease(database(), 'w1', 'agent-worker', longMs);
      expect(await ledger.commit(zombie, { events: [], outcome: { state: 'queued' } })).toEqual({ accepted: false });
      expect(await ledger.commit({ ...zombie, epoch: 2 }, stepCommit(2))).toEqual({ accepted: false });
      expect(await view()).toMatchObject({ status: 'running' });
    });

    it('is refused to a worker without a lease of its own', async () => {
      await accepted();
      await renewLease(database(), 'w1', 'agent-worker', -1);
      for (const dead of ['w1', 'stranger']) expect(await claim(database(), 'acme', 'run', dead)).toBeNull();
      expect(await view()).toMatchObject({ status: 'queued' });
    });

    it.each(['completed', 'incomplete', 'failed', 'cancelled', 'waiting'])(
      'leaves a run alone that is %s',
      async (state) => {
        await accepted();
        await set(`state = '${state}'`);
        expect(await claim(database(), 'acme', 'run', 'w1')).toBeNull();
      },
    );
  });

  describe('the log of a claim', () => {
    const calls = [
      placed({ tool: 'visit', args: { goal: 'why', url: 'u', a: { z: 1, b: 'x\0' } } }, 0, 0),
      placed(searchOf('b'), 0, 1),
    ];
    const keyOf = async (index: number) => {
      const sql = 'SELECT call_id FROM argosy.tool_calls WHERE index = $1';
      const { rows } = await database().query<{ call_id: string }>(sql, [index]);
      return { tenantId: 'acme', runId: 'run', callId: rows[0]?.call_id ?? '' };
    };
    async function perform(index: number): Promise<void> {
      const begun = await claimCall(database(), await keyOf(index), 'w2');
      if (begun === null) throw new Error('An intent can be begun.');
      await finishCall(database(), begun, 'done', observationOf(`result ${index}`));
    }
    const returned = {
      kind: 'tools-returned' as const,
      outcomes: calls.map(({ tool, args }, i) => ({ call: { tool, args }, observation: observationOf(`result ${i}`) })),
    };

    async function twoSteps() {
      await accepted();
      const run = await owned('w1');
      const step = { number: 1, event: asked(...calls), answered: [] };
      await ledger.commit(run, { step, events: [], intents: calls });
      await perform(0);
      await perform(1);
      await ledger.commit(run, { step: { number: 2, event: returned, answered: calls }, events: [] });
      await endLease(database(), 'w1');
      return run;
    }

    it('is what was committed, in order, with the observations merged in', async () => {
      await twoSteps();
      const stored = JSON.parse(JSON.stringify([asked(...calls), returned]).replaceAll('\\u0000', '\ufffd'));
      expect((await owned('w2')).log).toMatchObject(stored);
    });

    it.each<[string, string]>([
      ['a result is missing', `UPDATE argosy.tool_calls SET result = NULL WHERE index = 1`],
      ['a newer release wrote a step', 'UPDATE argosy.steps SET schema_version = 99 WHERE step_no = 2'],
    ])(
      'cannot be read when %s; the run is then put back for another worker, and not rung at once',
      async (_why, spoil) => {
        await twoSteps();
        await database().query(spoil);
        await expect(claim(database(), 'acme', 'run', 'w2')).rejects.toThrow(LogUnreadable);
        expect(await view()).toMatchObject({ status: 'queued' });
        expect(await takeDue(database(), 10)).toEqual([]);
        expect(await putBackStranded(database(), 30_000)).toBe(0);
        await database().query(`UPDATE argosy.runs SET rung_at = rung_at - interval '31 s'`);
        expect(await putBackStranded(database(), 30_000)).toBe(1);
        expect(await takeDue(database(), 10)).toMatchObject([{ runId: 'run' }]);
      },
    );
  });

  describe('takeDue', () => {
    const names = async (window: number) =>
      (await takeDue(database(), window)).map(({ tenantId, runId }) => `${tenantId}/${runId}`);

    it('takes one run of each tenant before the second of any, oldest first', async () => {
      for (const runId of ['1', '2', '3', '4']) await accepted(runId, 'greedy');
      for (const runId of ['1', '2']) await accepted(runId, 'second');
      await accepted('1', 'late');
      expect(await names(100)).toEqual([
        'greedy/1',
        'second/1',
        'late/1',
        'greedy/2',
        'second/2',
        'greedy/3',
        'greedy/4',
      ]);
    });

    it('fills the window and no more, counting what is rung or running', async () => {
      for (const runId of ['1', '2', '3', '4', '5']) await accepted(runId);
      expect(await names(2)).toEqual(['acme/1', 'acme/2']);
      expect(await names(2)).toEqual([]);
      await owned('w1', '1');
      expect(await names(2)).toEqual([]);
      expect(await names(3)).toEqual(['acme/3']);
      expect(await names(0)).toEqual([]);
    });

    it('gives every ring of a run another number', async () => {
      await accepted();
      const rings: number[] = [];
      for (let i = 0; i < 3; i++) {
        rings.push(...(await takeDue(database(), 5)).map((due) => due.rings));
        await set('rung_at = NULL');
      }
      expect(rings).toEqual([1, 2, 3]);
    });

    it('rings no run twice when two dispatchers look at once', async () => {
      for (const runId of ['1', '2', '3']) await accepted(runId);
      const both = await Promise.all([names(10), names(10)]);
      expect(both.flat().toSorted()).toEqual(['acme/1', 'acme/2', 'acme/3']);
    });
  });

  describe('putBackStranded', () => {
    it('puts back a ring that nobody answered in time, and only that', async () => {
      for (const runId of ['lost', 'fresh']) await accepted(runId);
      await takeDue(database(), 5);
      await database().query(`UPDATE argosy.runs SET rung_at = now() - interval '31 s' WHERE run_id = 'lost'`);
      expect(await putBackStranded(database(), 30_000)).toBe(1);
      expect(await putBackStranded(database(), 30_000)).toBe(0);
      expect(await takeDue(database(), 5)).toMatchObject([{ runId: 'lost', rings: 2 }]);
    });

    it('puts back the runs of dead workers and leaves those of the living', async () => {
      for (const runId of ['dead', 'alive']) await accepted(runId);
      await takeDue(database(), 5);
      const zombie = await owned('w1', 'dead');
      await owned('w2', 'alive');
      await endLease(database(), 'w1');
      expect(await putBackStranded(database(), day)).toBe(1);
      expect(await putBackStranded(database(), day)).toBe(0);
      expect([(await view('dead'))?.status, (await view('alive'))?.status]).toEqual(['queued', 'running']);
      expect(await ledger.commit(zombie, stepCommit(1))).toEqual({ accepted: false });
      expect(await takeDue(database(), 5)).toMatchObject([{ runId: 'dead', epoch: 1 }]);
    });

    it('leaves runs alone that have ended', async () => {
      await accepted();
      await ledger.commit(await owned('w1'), { events: [], outcome: { state: 'completed', report: reportOf('run') } });
      await endLease(database(), 'w1');
      expect(await putBackStranded(database(), 0)).toBe(0);
      expect(await view()).toMatchObject({ status: 'completed' });
    });
  });

  describe('endCancelledUnstarted', () => {
    const end = () => endCancelledUnstarted(database());

    it('ends a run that took no step, with one terminal event, and doing it again changes nothing', async () => {
      await accepted();
      expect(await end()).toEqual([]);
      await set('cancel_requested = true');
      expect(await end()).toEqual([{ tenantId: 'acme', runId: 'run' }]);
      expect(await end()).toEqual([]);
      expect(await typesOf()).toEqual(['run.accepted', 'run.cancelled']);
      expect(await seqsOf()).toEqual([1, 2]);
      expect(await view()).toMatchObject({ status: 'cancelled', endedAt: expect.any(String) });
      expect(await claim(database(), 'acme', 'run', 'w1')).toBeNull();
    });

    it('refuses whatever an earlier owner of the run still writes', async () => {
      await accepted();
      const zombie = await owned('w1');
      await endLease(database(), 'w1');
      await set('cancel_requested = true');
      expect(await end()).toEqual([]);
      await putBackStranded(database(), day);
      expect(await end()).toHaveLength(1);
      // As if it had been claimed once more: whoever fences by the epoch alone is refused too.
      const { rows } = await database().query('SELECT epoch FROM argosy.runs');
      expect(rows).toEqual([{ epoch: zombie.epoch + 1 }]);
      expect(await ledger.commit(zombie, stepCommit(1))).toEqual({ accepted: false });
      expect(await typesOf()).toEqual(['run.accepted', 'run.started', 'step.started', 'run.cancelled']);
    });

    it('leaves a run that has taken steps to a worker, who reports what was found', async () => {
      await accepted();
      const run = await owned('w1');
      await ledger.commit(run, stepCommit(1));
      await ledger.commit(run, { events: [], outcome: { state: 'queued' } });
      await set('cancel_requested = true');
      expect(await end()).toEqual([]);
      expect(await owned('w2')).toMatchObject({ cancelRequested: true, log: [{ kind: 'model-replied' }] });
    });
  });
});
