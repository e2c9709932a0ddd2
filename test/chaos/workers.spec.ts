import { describe, expect, it } from '@jest/globals';
import { eventually, within } from '../support/argosy.ts';
import { canOwnServers } from '../support/servers.ts';
import { Dice, eachRound, nth, seed } from './dice.ts';
import { feed, killAtEach, killLeaders, killWhileLeaving, replace, stopAt, worksAgain } from './disturbances.ts';
import { callsIn, points, runsIn } from './points.ts';
import type { Role } from './role-process.ts';
import { Scenario, useStage } from './scenario.ts';
import { leaseMs, letPass, type Stage } from './stage.ts';
import { scopeOf } from './world.ts';

const describeOwn = canOwnServers ? describe : describe.skip;
const limitMs = 120_000;

describeOwn('a fleet whose workers die (needs servers that may be killed)', () => {
  const stage = useStage('workers');
  const scenario = (number: number, round: number): Scenario => new Scenario(stage(), scopeOf(number, round));

  it.each(eachRound)(
    `loses nothing when workers and dispatchers are killed at random (seed ${seed})${nth}`,
    async (round) => {
      const dice = new Dice(`random ${round}`);
      const load = scenario(1, round);
      const fed = new AbortController();
      const feeding = feed(load, fed.signal);
      await load.reaches(10);
      const roles: readonly Role[] = ['agent-worker', 'tool-worker', 'agent-worker', 'tool-worker', 'dispatcher'];
      for (const role of dice.shuffle([...roles, ...roles])) {
        await letPass(dice.between(100, 700));
        // Most often one that works, sometimes one that is just starting.
        const working = stage()
          .alive(role)
          .filter(({ isReady }) => isReady);
        await replace(stage(), dice.pick(working.length > 0 ? working : stage().alive(role)));
      }
      fed.abort();
      await feeding;
      await load.end();
      expect(await load.takenOver()).toBeGreaterThan(0);
      await stage().allReady();
    },
    limitMs,
  );

  it.each(eachRound)(
    `loses nothing when a process is killed at any named point of a run${nth}`,
    async (round) => {
      const load = scenario(2, round);
      const fed = new AbortController();
      const feeding = feed(load, fed.signal);
      await Promise.all([
        killAtEach(stage(), 'agent-worker', points.agent),
        killAtEach(stage(), 'tool-worker', points.tool),
        killWhileLeaving(stage()),
        killLeaders(stage()),
      ]);
      fed.abort();
      await feeding;
      await load.end();
    },
    limitMs,
  );

  it.each(eachRound)(
    `refuses the late write of an agent worker that was stopped past its lease, which then works again${nth}`,
    async (round) => {
      const load = scenario(3, round);
      const zombie = stage().one('agent-worker');
      const stopping = stopAt(zombie, points.zombie['commit of a reply']);
      const fed = new AbortController();
      const feeding = feed(load, fed.signal);
      const { said, letGo } = await stopping;
      const held = runsIn(said);
      // Whoever takes over asks the model again, and is still waiting for it when the late write comes.
      for (const [tag, runId] of load.runs) if (held.includes(runId)) stage().world.pace.slow.set(tag, leaseMs / 2);
      const before = await owners(stage(), held);
      await eventually(async () => {
        const now = await owners(stage(), held);
        return held.some((id) => (now.get(id)?.epoch ?? 0) > (before.get(id)?.epoch ?? 0)) ? true : null;
      }, 'somebody who takes over');
      const after = await owners(stage(), held);
      const contested = held.filter((id) => {
        const [was, is] = [before.get(id), after.get(id)];
        return was !== undefined && is !== undefined && is.epoch > was.epoch && is.last_step === was.last_step;
      });
      // Nothing but the epoch tells the late write from the one that is awaited.
      expect(contested).not.toEqual([]);
      letGo();
      zombie.kill('SIGCONT');
      await worksAgain(stage(), zombie);
      fed.abort();
      await feeding;
      stage().world.pace.slow.clear();
      await load.end();
    },
    limitMs,
  );

  it.each(eachRound)(
    `refuses the late result of a tool worker that was stopped past its lease${nth}`,
    async (round) => {
      const load = scenario(4, round);
      const zombie = stage().one('tool-worker');
      const stopping = stopAt(zombie, points.tool['finish of a call']);
      await load.begin(12);
      const { said, letGo } = await stopping;
      const [callId = ''] = callsIn(said);
      // Whoever performs it again is not done when the late result comes: nothing but the attempt tells them apart.
      const again = stage()
        .alive('tool-worker')
        .filter((worker) => worker !== zombie)
        .map(async ({ postgres }) => {
          return await postgres.stopAt({ ...points.tool['finish of a call'], values: callId, when: 'before' });
        });
      const contested = await within(Promise.race(again), () => `nobody performed the call ${callId} again`);
      expect(
        await stage().rows(`SELECT state FROM argosy.tool_calls WHERE call_id = $1 AND attempt > 1`, [callId]),
      ).toEqual([{ state: 'running' }]);
      letGo();
      zombie.kill('SIGCONT');
      await letPass(leaseMs / 4);
      contested.letGo();
      await load.end();
      await worksAgain(stage(), zombie);
    },
    limitMs,
  );

  it.each(eachRound)(
    `ends cancelled runs whose workers are killed at that moment${nth}`,
    async (round) => {
      const load = scenario(5, round);
      const tags = await load.begin(16);
      await load.reaches(8);
      const cancelling = tags.filter((_, i) => i % 2 === 0).map(async (tag) => await load.cancel(tag));
      const victims = [stage().one('agent-worker'), stage().one('tool-worker')];
      const replacing = victims.map(async (victim) => await replace(stage(), victim));
      await Promise.all([...cancelling, ...replacing]);
      await load.end();
      const cancelled = await stage().rows(
        `SELECT 1 FROM argosy.runs WHERE state = 'cancelled' AND run_id = ANY ($1)`,
        [[...load.cancelled]],
      );
      expect(cancelled.length).toBeGreaterThan(0);
    },
    limitMs,
  );

  it.each(eachRound)(
    `ends cancelled runs although no worker hears of it${nth}`,
    async (round) => {
      const load = scenario(6, round);
      const tags = await load.begin(12);
      await load.reaches(6);
      const workers = [...stage().alive('agent-worker'), ...stage().alive('tool-worker')];
      for (const worker of workers) worker.redis.cut();
      // By now some wait for the model, and some for calls of which no tool worker knows.
      await letPass(300);
      const cancelled = tags.filter((_, i) => i % 3 > 0);
      await Promise.all(cancelled.map(async (tag) => await load.cancel(tag)));
      for (const worker of workers) worker.redis.heal();
      await load.end();
    },
    limitMs,
  );
});

interface Owner {
  readonly run_id: string;
  readonly epoch: number;
  readonly last_step: number;
}

async function owners(stage: Stage, runIds: readonly string[]): Promise<Map<string, Owner>> {
  const rows = await stage.rows<Owner>('SELECT run_id, epoch, last_step FROM argosy.runs WHERE run_id = ANY ($1)', [
    runIds,
  ]);
  return new Map(rows.map((row) => [row.run_id, row]));
}
