import { describe, expect, it } from '@jest/globals';
import { eventually } from '../support/argosy.ts';
import { canOwnServers } from '../support/servers.ts';
import { Dice, eachRound, nth, seed } from './dice.ts';
import { Scenario, useStage } from './scenario.ts';
import { letPass } from './stage.ts';
import { scopeOf, tagOf } from './world.ts';

const describeOwn = canOwnServers ? describe : describe.skip;
const limitMs = 120_000;

describeOwn('a fleet whose stores fail (needs servers that may be killed)', () => {
  const stage = useStage('stores');
  const scenario = (number: number, round: number, port?: number): Scenario =>
    new Scenario(stage(), scopeOf(number, round), port);

  it.each(eachRound)(
    `goes on when Redis is killed and comes back (seed ${seed})${nth}`,
    async (round) => {
      const dice = new Dice(`redis ${round}`);
      const load = scenario(1, round);
      await load.begin(16);
      await load.reaches(dice.between(4, 24));
      await stage().redis.kill();
      // What is accepted meanwhile is rung when it can be.
      const accepting = load.begin(4);
      await letPass(dice.between(200, 2_000));
      await stage().redis.start();
      await accepting;
      await load.end();
    },
    limitMs,
  );

  it.each(eachRound)(
    `goes on when Redis forgets everything, twice${nth}`,
    async (round) => {
      const dice = new Dice(`flush ${round}`);
      const load = scenario(2, round);
      await load.begin(20);
      for (let times = 0; times < 2; times++) {
        await load.reaches((await load.steps()) + dice.between(4, 16));
        await stage().withQueues(async (queues) => await queues.flush());
      }
      expect(await load.unfinished()).toBeGreaterThan(0);
      await load.end();
    },
    limitMs,
  );

  it.each(eachRound)(
    `loses nothing acknowledged when Postgres is killed and comes back (seed ${seed})${nth}`,
    async (round) => {
      const dice = new Dice(`postgres ${round}`);
      const load = scenario(3, round);
      await load.begin(16);
      await load.reaches(dice.between(4, 24));
      await stage().postgres.kill();
      const accepting = load.begin(4);
      await letPass(dice.between(200, 3_000));
      await stage().postgres.start();
      await accepting;
      await load.end();
    },
    limitMs,
  );

  it.each(eachRound)(
    `rings again where rings got lost before anybody heard them${nth}`,
    async (round) => {
      const load = scenario(4, round);
      const lost = await stage().withQueues(async (queues) => {
        await queues.pause();
        await load.begin(12);
        const rung = async (): Promise<true | null> => ((await queues.unanswered()) >= 12 ? true : null);
        await eventually(rung, 'rings that wait');
        const count = await queues.lose();
        await queues.resume();
        return count;
      });
      expect(lost).toBeGreaterThanOrEqual(12);
      await load.end();
    },
    limitMs,
  );

  it.each(eachRound)(
    `does nothing twice when every ring comes four times${nth}`,
    async (round) => {
      const load = scenario(5, round);
      await stage().withQueues(async (queues) => {
        // Some copies come together with their ring, and some while it is being answered.
        await queues.pause();
        await load.begin(12);
        await eventually(async () => ((await queues.unanswered()) >= 12 ? true : null), 'rings that wait');
        expect(await queues.double(3)).toBeGreaterThanOrEqual(36);
        await queues.resume();
        let copies = 0;
        while ((await load.unfinished()) > 0) copies += await queues.double(3);
        // Those for tool calls, at least.
        expect(copies).toBeGreaterThan(0);
      });
      await load.end();
    },
    limitMs,
  );

  it.each(eachRound)(
    `keeps the runs of tenants apart${nth}`,
    async (round) => {
      const load = scenario(6, round);
      const tags = await load.begin(8);
      for (const [i, tag] of tags.entries()) await load.copyFor('other', tag, tagOf(load.scope, 100 + i));
      await load.end();
      const ended = await stage().rows(`SELECT 1 FROM argosy.runs WHERE tenant_id = 'other' AND report IS NOT NULL`);
      expect(ended.length).toBeGreaterThanOrEqual(8);
    },
    limitMs,
  );

  it.each(eachRound)(
    `refuses what it cannot accept, says when to come again, and takes it then${nth}`,
    async (round) => {
      const gateway = await stage().launch('gateway', { ARGOSY_PORT: '0' });
      const load = scenario(7, round, await gateway.ready());
      gateway.postgres.cut();
      const accepting = load.begin(3);
      await eventually(async () => (load.clients.refused.length >= 3 ? true : null), 'refusals');
      gateway.postgres.heal();
      await accepting;
      await load.end();
      gateway.kill('SIGTERM');
      expect(await gateway.ended).toEqual({ code: 0, signal: null });
    },
    limitMs,
  );
});
