import { describe, expect, it } from '@jest/globals';
import { eventually, within } from '../support/argosy.ts';
import { canOwnServers } from '../support/servers.ts';
import { eachRound, nth } from './dice.ts';
import { feed, ownerOf } from './disturbances.ts';
import { points } from './points.ts';
import { Scenario, useStage } from './scenario.ts';
import { graceMs } from './stage.ts';
import { partsOfReply, scopeOf, tagOf } from './world.ts';

const describeOwn = canOwnServers ? describe : describe.skip;
const limitMs = 120_000;

describeOwn('a fleet at its edges (needs servers that may be killed)', () => {
  const stage = useStage('edges');
  const scenario = (number: number, round: number): Scenario => new Scenario(stage(), scopeOf(number, round));

  it.each(eachRound)(
    `makes one run of a request whose gateway was killed before or after its commit${nth}`,
    async (round) => {
      const load = scenario(1, round);
      const watched = await load.begin(6);
      for (const when of ['before', 'after'] as const) {
        const gateway = stage().one('gateway');
        const fired = gateway.postgres.stopAt({ ...points.gateway.accept, when }, () => gateway.kill('SIGKILL'));
        const unanswered = load.clients.unanswered;
        const accepting = load.begin(3);
        await within(fired, () => `no gateway came to the point ${when} its commit`);
        await gateway.ended;
        await stage().start('gateway');
        await accepting;
        expect(load.clients.unanswered).toBeGreaterThan(unanswered);
      }
      expect(load.runs.size).toBe(watched.length + 6);
      await load.end();
      // Those who followed the first runs were cut off, and went on where they were.
      expect(load.clients.resumed).toBeGreaterThan(0);
    },
    limitMs,
  );

  it.each(eachRound)(
    `replaces every process in the middle of its work and loses no more than what lasts longer than the grace${nth}`,
    async (round) => {
      const load = scenario(2, round);
      const patient = tagOf(load.scope, 0);
      // Far longer than the time after which what is in a step is stopped.
      stage().world.pace.slow.set(patient, (3 * graceMs) / partsOfReply);
      await load.begin(12);
      const owner = await ownerOf(stage(), load.runs.get(patient) ?? '');
      const asked = async (): Promise<true | null> =>
        stage().world.asked.some(({ tag }) => tag === patient) ? true : null;
      await eventually(asked, 'the long call');
      stage().world.pace.slow.clear();
      const fed = new AbortController();
      const feeding = feed(load, fed.signal);
      const others = stage()
        .alive()
        .filter((process) => process !== owner);
      for (const leaving of [owner, ...others]) {
        // A gateway has its address to itself.
        const first = leaving.role !== 'gateway';
        if (first) await stage().start(leaving.role);
        leaving.kill('SIGTERM');
        expect([leaving.name, await leaving.ended]).toEqual([leaving.name, { code: 0, signal: null }]);
        if (!first) await stage().start(leaving.role);
      }
      fed.abort();
      await feeding;
      await load.end();
      const lost = await stage().rows<{ tag: string; lost: number }>(
        `SELECT split_part(r.request ->> 'question', ':', 1) AS tag, r.lost_model_calls AS lost
         FROM argosy.runs r WHERE r.request ->> 'question' LIKE $1 || '%' AND r.lost_model_calls > 0`,
        [load.scope],
      );
      expect(lost).toEqual([{ tag: patient, lost: 1 }]);
      const begunAgain = await stage().rows(
        `SELECT c.call_id FROM argosy.tool_calls c JOIN argosy.runs r USING (tenant_id, run_id)
         WHERE r.request ->> 'question' LIKE $1 || '%' AND c.attempt > 1`,
        [load.scope],
      );
      expect(begunAgain).toEqual([]);
    },
    limitMs,
  );
});
