import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  acceptanceOf,
  asked,
  limitsOf,
  observationOf,
  placed,
  reportOf,
  requestOf,
  searchOf,
} from '../../../../test/support/research.ts';
import { claimCall, finishCall } from './calls.ts';
import { claim, mostLostClaims } from './claims.ts';
import { readHistory } from './history.ts';
import { Ledger } from './ledger.ts';
import { callIdOf, LogUnreadable } from './log.ts';
import { accept, describeStores } from './stores.contract.ts';
import { endCancelledUnstarted, endHopeless, putBackStranded, takeDue } from './sweep.ts';
import { getRun, readEvents } from './views.ts';
import { dropDuty, endAllLeases, endLease, renewLease, takeDuty } from './workers.ts';

describeStores((stores) => {
  const database = () => stores().database;

  const longMs = 600_000;
  const day = 86_400_000;
  let ledger: Ledger;

  // What sweeps look at spans tenants, so each test begins with an empty record.
  beforeEach(async () => {
    ledger = new Ledger(database());
    await database().script('TRUNCATE argosy.steps, argosy.events, argosy.tool_calls, argosy.runs, argosy.workers');
    for (const workerId of ['w1', 'w2'])
      await renewLease(database(), { workerId: workerId, role: 'agent-worker', slots: 1 }, longMs);
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
      for (const workerId of workers)
        await renewLease(database(), { workerId: workerId, role: 'agent-worker', slots: 1 }, longMs);
      const claims = await Promise.all(workers.map((workerId) => claim(database(), 'acme', 'run', workerId)));
      const winners = claims.filter((one) => one !== null);
      expect(winners).toMatchObject([{ epoch: 1, runId: 'run', log: [], cancelRequested: false }]);
    });

    it('gives each of 1,000 runs to one of two claimers that race for it', async () => {
      const runIds = Array.from({ length: 1_000 }, (_, i) => `race-${i}`);
      const columns = 'tenant_id, run_id, state, request, schema_version, request_sha256';
      await accepted('race');
      await database().query(
        `INSERT INTO argosy.runs (${columns}) SELECT tenant_id, id, state, request, schema_version, request_sha256
         FROM argosy.runs, unnest($1::text[]) AS id`,
        [runIds],
      );
      for (let at = 0; at < runIds.length; at += 50) {
        const pairs = runIds.slice(at, at + 50).map(async (runId) => {
          const both = await Promise.all(['w1', 'w2'].map((workerId) => claim(database(), 'acme', runId, workerId)));
          return both.filter((one) => one !== null).map(({ epoch }) => epoch);
        });
        for (const epochs of await Promise.all(pairs)) expect(epochs).toEqual([1]);
      }
    });

    it('leaves a run alone that a newer release has written to', async () => {
      await accepted();
      await set('schema_version = 99');
      expect(await claim(database(), 'acme', 'run', 'w1')).toBeNull();
      expect(await view()).toMatchObject({ status: 'queued' });
    });

    it('counts a deadline from the first claim on, whoever claims and however late', async () => {
      const deadline = new Date(Date.now() + 3_600_000).toISOString();
      await accept(
        database(),
        acceptanceOf('acme', 'run', { request: requestOf({ limits: limitsOf({ deadline, answerSeconds: 5 }) }) }),
      );
      const { request } = await owned('w1');
      expect(request.limits).toMatchObject({ deadline, answerSeconds: 5 });
      expect(request.limits.budget.seconds).toBeGreaterThan(3_000);
      expect(request.limits.budget.seconds).toBeLessThanOrEqual(3_600);
      await endLease(database(), 'w1');
      expect((await owned('w2')).request).toEqual(request);
    });

    it('reads what an older release stored, which knew no search providers, for the run and for its calls', async () => {
      await accepted();
      await set(`request = request #- '{sources,providers}', schema_version = 2`);
      const owner = await owned();
      expect(owner.request).toEqual(requestOf());
      const call = placed(searchOf('q'), 0);
      await ledger.commit(owner, { ...stepCommit(1), intents: [call] });
      const key = { tenantId: 'acme', runId: 'run', callId: callIdOf('run', call) };
      expect(await claimCall(database(), key, 'w2')).toMatchObject({ sources: requestOf().sources });
      expect(await readHistory(database(), 'acme', 'run')).toMatchObject({ request: requestOf() });
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
        await renewLease(database(), { workerId: winner?.workerId ?? '', role: 'agent-worker', slots: 1 }, longMs);
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
      ['let its lease run out', () => renewLease(database(), { workerId: 'w1', role: 'agent-worker', slots: 1 }, -1)],
      [
        'belonged to an earlier process',
        async () => {
          await endAllLeases(database());
          await renewLease(database(), { workerId: 'w2', role: 'agent-worker', slots: 1 }, longMs);
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
      await renewLease(database(), { workerId: 'w1', role: 'agent-worker', slots: 1 }, longMs);
      expect(await ledger.commit(zombie, { events: [], outcome: { state: 'queued' } })).toEqual({ accepted: false });
      expect(await ledger.commit({ ...zombie, epoch: 2 }, stepCommit(2))).toEqual({ accepted: false });
      expect(await view()).toMatchObject({ status: 'running' });
    });

    it('is refused to a worker without a lease of its own', async () => {
      await accepted();
      await renewLease(database(), { workerId: 'w1', role: 'agent-worker', slots: 1 }, -1);
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
        expect(await takeDue(database())).toEqual([]);
        expect(await putBackStranded(database(), 30_000)).toBe(0);
        await database().query(`UPDATE argosy.runs SET rung_at = rung_at - interval '31 s'`);
        expect(await putBackStranded(database(), 30_000)).toBe(1);
        expect(await takeDue(database())).toMatchObject([{ runId: 'run' }]);
      },
    );
  });

  describe('takeDue', () => {
    const names = async () => (await takeDue(database())).map(({ tenantId, runId }) => `${tenantId}/${runId}`);
    const giveSlots = (workerId: string, slots: number, leaseMs = longMs) =>
      renewLease(database(), { workerId, role: 'agent-worker', slots }, leaseMs);

    it('takes one run of each tenant before the second of any, oldest first', async () => {
      for (const runId of ['1', '2', '3', '4']) await accepted(runId, 'greedy');
      for (const runId of ['1', '2']) await accepted(runId, 'second');
      await accepted('1', 'late');
      await giveSlots('w1', 100);
      expect(await names()).toEqual(['greedy/1', 'second/1', 'late/1', 'greedy/2', 'second/2', 'greedy/3', 'greedy/4']);
    });

    it('fills the slots of the living agent workers and no more, counting what is rung or running', async () => {
      for (const runId of ['1', '2', '3', '4', '5']) await accepted(runId);
      expect(await names()).toEqual(['acme/1', 'acme/2']);
      expect(await names()).toEqual([]);
      await owned('w1', '1');
      expect(await names()).toEqual([]);
      await giveSlots('w2', 2);
      expect(await names()).toEqual(['acme/3']);
      await giveSlots('dead', 5, -1);
      await renewLease(database(), { workerId: 'tools', role: 'tool-worker', slots: 5 }, longMs);
      expect(await names()).toEqual([]);
    });

    it('takes nothing when every worker is leaving', async () => {
      await accepted();
      for (const workerId of ['w1', 'w2']) await giveSlots(workerId, 0);
      expect(await names()).toEqual([]);
    });

    it('gives every ring of a run another number', async () => {
      await accepted();
      const rings: number[] = [];
      for (let i = 0; i < 3; i++) {
        rings.push(...(await takeDue(database())).map((due) => due.rings));
        await set('rung_at = NULL');
      }
      expect(rings).toEqual([1, 2, 3]);
    });

    it('rings no run twice when two dispatchers look at once', async () => {
      for (const runId of ['1', '2', '3']) await accepted(runId);
      await giveSlots('w1', 10);
      const both = await Promise.all([names(), names()]);
      expect(both.flat().toSorted()).toEqual(['acme/1', 'acme/2', 'acme/3']);
    });
  });

  describe('putBackStranded', () => {
    it('puts back a ring that nobody answered in time, and only that', async () => {
      for (const runId of ['lost', 'fresh']) await accepted(runId);
      await takeDue(database());
      await database().query(`UPDATE argosy.runs SET rung_at = now() - interval '31 s' WHERE run_id = 'lost'`);
      expect(await putBackStranded(database(), 30_000)).toBe(1);
      expect(await putBackStranded(database(), 30_000)).toBe(0);
      expect(await takeDue(database())).toMatchObject([{ runId: 'lost', rings: 2 }]);
    });

    it('puts back the runs of dead workers and leaves those of the living', async () => {
      for (const runId of ['dead', 'alive']) await accepted(runId);
      await takeDue(database());
      const zombie = await owned('w1', 'dead');
      await owned('w2', 'alive');
      await endLease(database(), 'w1');
      expect(await putBackStranded(database(), day)).toBe(1);
      expect(await putBackStranded(database(), day)).toBe(0);
      expect([(await view('dead'))?.status, (await view('alive'))?.status]).toEqual(['queued', 'running']);
      expect(await ledger.commit(zombie, stepCommit(1))).toEqual({ accepted: false });
      await renewLease(database(), { workerId: 'w2', role: 'agent-worker', slots: 2 }, longMs);
      expect(await takeDue(database())).toMatchObject([{ runId: 'dead', epoch: 1 }]);
    });

    it('leaves runs alone that have ended', async () => {
      await accepted();
      await ledger.commit(await owned('w1'), { events: [], outcome: { state: 'completed', report: reportOf('run') } });
      await endLease(database(), 'w1');
      expect(await putBackStranded(database(), 0)).toBe(0);
      expect(await view()).toMatchObject({ status: 'completed' });
    });
  });

  describe('a run whose workers die', () => {
    const dies = async (workerId: string): Promise<void> => {
      await endLease(database(), workerId);
      expect(await putBackStranded(database(), day)).toBe(1);
      await renewLease(database(), { workerId, role: 'agent-worker', slots: 1 }, longMs);
    };

    it('is hopeless after so many lost claims without a step, and not after as many with steps between them', async () => {
      await accepted();
      for (let lost = 0; lost < mostLostClaims; lost++) {
        expect((await owned()).hopeless).toBeNull();
        await dies('w1');
      }
      const hopeless = await owned();
      expect(hopeless.hopeless).toContain(`${mostLostClaims} times`);
      await ledger.commit(hopeless, stepCommit(1));
      await dies('w1');
      expect((await owned()).hopeless).toBeNull();
    });

    it('does not count claims that were handed back in order', async () => {
      await accepted();
      for (let i = 0; i <= mostLostClaims; i++) {
        await ledger.commit(await owned(), { events: [], outcome: { state: 'queued' } });
      }
      expect((await owned()).hopeless).toBeNull();
    });

    it('says what its driver failed with last', async () => {
      await accepted();
      for (let i = 0; i < mostLostClaims; i++) {
        await ledger.commit(await owned(), { events: [], outcome: { state: 'queued', fault: 'a broken page' } });
        await set('rung_at = NULL');
      }
      expect((await owned()).hopeless).toContain('a broken page');
    });

    it('is ended without a worker when even ending it kills them', async () => {
      await accepted();
      await set(`lost_claims = ${mostLostClaims + 2}`);
      expect(await endHopeless(database())).toEqual([]);
      await owned();
      await dies('w1');
      expect(await endHopeless(database())).toEqual([{ tenantId: 'acme', runId: 'run' }]);
      expect(await typesOf()).toEqual(['run.accepted', 'run.started', 'step.started', 'run.failed']);
      expect(await view()).toMatchObject({ status: 'failed', report: null });
      expect(await claim(database(), 'acme', 'run', 'w2')).toBeNull();
    });
  });

  describe('a model call whose worker is lost', () => {
    const asking = async (): Promise<void> => {
      await accepted();
      await ledger.commit(await owned('w1'), { ...stepCommit(1), askedTokens: 700 });
    };
    const lost = async () => (await view())?.lost;

    it.each<[string, () => Promise<unknown>]>([
      ['the reconciler puts the run back', () => putBackStranded(database(), day)],
      ['another worker claims the run first', () => owned('w2')],
    ])('is recorded as lost, once, when %s', async (_how, take) => {
      await asking();
      await endLease(database(), 'w1');
      await take();
      await putBackStranded(database(), day);
      expect(await lost()).toEqual({ modelCalls: 1, promptTokens: 700 });
    });

    it('is recorded when the worker had to stop in the middle of it, and not when it handed back at a boundary', async () => {
      await asking();
      const run = { tenantId: 'acme', runId: 'run', workerId: 'w1', epoch: 1 };
      await ledger.commit(run, { events: [], outcome: { state: 'queued' } });
      expect(await lost()).toEqual({ modelCalls: 0, promptTokens: 0 });
      const next = await owned('w2');
      await ledger.commit(next, { events: [], outcome: { state: 'queued', lostReply: true } });
      expect(await lost()).toEqual({ modelCalls: 1, promptTokens: 700 });
    });

    it('is not invented for a run that was waiting for its tools', async () => {
      await accepted();
      const calls = [placed(searchOf('a'), 0)];
      await ledger.commit(await owned('w1'), { ...stepCommit(1), intents: calls });
      await endLease(database(), 'w1');
      await putBackStranded(database(), day);
      expect(await lost()).toEqual({ modelCalls: 0, promptTokens: 0 });
    });
  });

  describe('takeDuty', () => {
    it('gives a duty to one worker, who keeps it until it drops it or is silent for too long', async () => {
      const takes = (workerId: string, leaseMs = longMs) => takeDuty(database(), 'dispatching', workerId, leaseMs);
      expect(await Promise.all(['d1', 'd1'].map((id) => takes(id)))).toEqual([true, true]);
      expect(await takes('d2')).toBe(false);
      await dropDuty(database(), 'dispatching', 'd2');
      expect(await takes('d2')).toBe(false);
      await dropDuty(database(), 'dispatching', 'd1');
      expect(await takes('d2', -1)).toBe(true);
      expect(await takes('d1')).toBe(true);
      await dropDuty(database(), 'dispatching', 'd1');
    });

    it('gives a duty at once when whoever had it belonged to an earlier process', async () => {
      expect(await takeDuty(database(), 'dispatching', 'before', longMs)).toBe(true);
      await endAllLeases(database());
      expect(await takeDuty(database(), 'dispatching', 'now', longMs)).toBe(true);
      await dropDuty(database(), 'dispatching', 'now');
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
