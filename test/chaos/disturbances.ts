/** What is done to a fleet. */
import { expect } from '@jest/globals';
import { eventually, within } from '../support/argosy.ts';
import type { Point, Stopped } from './fault-proxy.ts';
import { points } from './points.ts';
import type { Role, RoleProcess } from './role-process.ts';
import type { Scenario } from './scenario.ts';
import { letPass, type Stage } from './stage.ts';
import { tagOf } from './world.ts';

type Named = Readonly<Record<string, Omit<Point, 'when'>>>;

/** Kills a process without a warning and begins to start another in its place. */
export async function replace(stage: Stage, victim: RoleProcess): Promise<void> {
  victim.kill('SIGKILL');
  await victim.ended;
  await stage.launch(victim.role);
}

/** Keeps so many runs unfinished, and so every slot of the fleet busy. */
export async function feed(load: Scenario, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (load.followed < 20) await load.submit(tagOf(load.scope, load.runs.size));
    await letPass(50);
  }
}

/** Each named point, before it and after it. */
function allOf(named: Named): { name: string; point: Point }[] {
  return Object.entries(named).flatMap(([name, marker]) =>
    (['before', 'after'] as const).map((when) => ({ name: `${when} ${name}`, point: { ...marker, when } })),
  );
}

/** Waits until a process was killed where it should be. A point that it never comes to fails the test. */
async function killed(victim: RoleProcess, name: string, fired: Promise<unknown>): Promise<void> {
  await within(fired, () => `${victim.name} never came to "${name}":\n${victim.lastWords}`);
  expect(await victim.ended).toEqual({ code: null, signal: 'SIGKILL' });
}

const killAt = async (victim: RoleProcess, point: Point): Promise<Stopped> =>
  await victim.postgres.stopAt(point, () => victim.kill('SIGKILL'));

/**
 * Waits until others have what a killed tool worker had, where it was not the first to lose it: after a few more losses a
 * call counts as one that kills its workers and ends with a fault, as it should.
 */
async function spareUnlucky(stage: Stage, { pid }: RoleProcess): Promise<void> {
  await eventually(async () => {
    const unlucky = await stage.rows(
      `SELECT 1 FROM argosy.tool_calls c JOIN argosy.runs r USING (tenant_id, run_id)
       WHERE r.ended_at IS NULL AND c.state = 'running' AND c.attempt > 1 AND c.worker_id LIKE '%-' || $1::text || '-%'`,
      [pid],
    );
    return unlucky.length === 0 ? true : null;
  }, 'calls that lost two workers');
}

/**
 * Adds one worker after the other to those that are there, each to be killed at another point. The next one starts while
 * the last one lives.
 */
export async function killAtEach(stage: Stage, role: Role, named: Named): Promise<void> {
  const kills = allOf(named);
  let next = stage.launch(role);
  for (const [index, { name, point }] of kills.entries()) {
    const victim = await next;
    await victim.ready();
    const fired = killAt(victim, point);
    if (index + 1 < kills.length) next = stage.launch(role);
    await killed(victim, name, fired);
    if (role === 'tool-worker') await spareUnlucky(stage, victim);
  }
}

/** Kills agent workers that were told to leave, at each point of that. */
export async function killWhileLeaving(stage: Stage): Promise<void> {
  for (const { name, point } of allOf(points.draining)) {
    const victim = await stage.launch('agent-worker');
    const claimed = victim.postgres.stopAt({ ...points.agent.claim, when: 'after' }, ({ letGo }) => letGo());
    await within(claimed, () => `${victim.name} never claimed a run`);
    const fired = killAt(victim, point);
    victim.kill('SIGTERM');
    await killed(victim, name, fired);
  }
}

/** Kills the dispatcher that is at work, at each point of that; another stands by. */
export async function killLeaders(stage: Stage): Promise<void> {
  for (const { name, point } of allOf(points.dispatcher)) {
    const leader = await leaderOf(stage);
    await stage.start('dispatcher');
    await killed(leader, name, killAt(leader, point));
  }
}

/** The one of the dispatchers that has the duty. */
async function leaderOf(stage: Stage): Promise<RoleProcess> {
  return await named(stage, 'SELECT worker_id FROM argosy.leaders WHERE lease_until > now()', []);
}

/** The agent worker that drives a run; waits for one that does. */
export async function ownerOf(stage: Stage, runId: string): Promise<RoleProcess> {
  return await named(stage, 'SELECT worker_id FROM argosy.runs WHERE run_id = $1', [runId]);
}

/** The process that a row names; a worker's name holds its pid. */
async function named(stage: Stage, sql: string, values: unknown[]): Promise<RoleProcess> {
  return await eventually(async () => {
    const [row] = await stage.rows<{ worker_id: string | null }>(sql, values);
    return stage.alive().find(({ pid }) => row?.worker_id?.includes(`-${pid}-`)) ?? null;
  }, `a process that is named by: ${sql}`);
}

/** Stops a worker in the middle of its next such statement, which has not reached the database yet. */
export async function stopAt(zombie: RoleProcess, marker: Omit<Point, 'when'>) {
  const stopped = zombie.postgres.stopAt({ ...marker, when: 'before' }, () => zombie.kill('SIGSTOP'));
  return await within(stopped, () => `${zombie.name} never came to ${marker.statement}`);
}

/** Waits until a worker that had lost its lease has joined once more, under a name that nobody had. */
export async function worksAgain(stage: Stage, zombie: RoleProcess): Promise<void> {
  await eventually(async () => {
    const rows = await stage.rows<{ port: number; at: Date }>(
      `SELECT h.port, h.at FROM chaos.history h JOIN argosy.workers w USING (worker_id)
       WHERE h.what = 'joined' AND w.lease_until > now()`,
    );
    return rows.some(({ port, at }) => stage.processOf(port, at) === zombie) ? true : null;
  }, `${zombie.name} to join again`);
}
