/** The supervisor of `npm run fleet`, over processes that only pretend; see test/support/stand-in-fleet.mjs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { eventually, within } from '../support/argosy.ts';

interface Role {
  readonly name: string;
  readonly does: 'works' | 'crashes' | 'refuses' | 'hangs' | 'is never ready';
  readonly stage?: number;
}

interface Supervised {
  /** All that it has written so far. */
  readonly text: () => string;
  said(pattern: RegExp): Promise<RegExpExecArray>;
  /** Signals its process group, as a terminal does at Ctrl-C. */
  kill(signal: NodeJS.Signals): void;
  readonly exitCode: Promise<number | null>;
}

const alive = new Set<ChildProcess>();
afterAll(() => {
  for (const child of alive) child.kill('SIGKILL');
});

function supervise(roles: readonly Role[], { killAfterMs = 5_000, redis = false } = {}): Supervised {
  const script = join(import.meta.dirname, '..', 'support', 'stand-in-fleet.mjs');
  const child = spawn(process.execPath, [script, JSON.stringify({ roles, killAfterMs, redis })], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  alive.add(child);
  let written = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      alive.delete(child);
      resolve(code);
    });
  });
  return {
    text: () => written,
    said: async (pattern) => await eventually(async () => pattern.exec(written), `${pattern} in\n${written}`),
    kill: (signal) => void process.kill(-(child.pid ?? 0), signal),
    get exitCode() {
      return within(ended, () => `the supervisor has not ended:\n${written}`);
    },
  };
}

/** The numbers of a role's processes so far, in the order of their starts. */
function pidsOf(text: string, name: string): number[] {
  return [...text.matchAll(new RegExp(`^${name} +\\| .* ready pid=(\\d+)`, 'gm'))].map(([, pid]) => Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const gone = async (pid: number): Promise<void> => {
  await eventually(async () => (isAlive(pid) ? null : true), `the end of process ${pid}`);
};

describe('the supervisor', () => {
  it('prefixes what each process writes, waits for all, and drains them in order at Ctrl-C, which reaches them through it alone', async () => {
    const fleet = supervise([
      { name: 'agent-1', does: 'works' },
      { name: 'tool-1', does: 'works', stage: 2 },
    ]);
    await fleet.said(/argosy: ready/);
    expect(fleet.text()).toMatch(/^agent-1 \| \d\d:\d\d:\d\d\.\d{3} ready pid=\d+ words="two words"$/m);
    expect(fleet.text()).toMatch(/^tool-1 {2}\| \d\d:/m);
    fleet.kill('SIGINT');
    expect(await fleet.exitCode).toBe(0);
    const order = [/stopping$/m, /^agent-1 .* stopped$/m, /^tool-1 .* draining$/m, /^tool-1 .* stopped$/m, /ended$/m];
    const places = order.map((words) => fleet.text().search(words));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
    expect(fleet.text()).not.toContain('started again');
    expect(fleet.text()).not.toContain('heard Ctrl-C');
  });

  it('names a process that ends, with its signal, and starts it again', async () => {
    const fleet = supervise([{ name: 'agent-1', does: 'works' }]);
    await fleet.said(/argosy: ready/);
    const [first = 0] = pidsOf(fleet.text(), 'agent-1');
    process.kill(first, 'SIGKILL');
    await fleet.said(/argosy: agent-1 was ended by SIGKILL; it is started again in 0\.1 s/);
    const second = await eventually(async () => pidsOf(fleet.text(), 'agent-1')[1] ?? null, 'a second process');
    expect(second).not.toBe(first);
    fleet.kill('SIGTERM');
    expect(await fleet.exitCode).toBe(0);
    await gone(second);
  });

  it('waits twice as long each time that a process ends again, up to a limit', async () => {
    const fleet = supervise([{ name: 'agent-1', does: 'crashes' }]);
    const wait = 'agent-1 ended with exit code 7; it is started again in ';
    await fleet.said(new RegExp(`${wait}0.1 s[^]*${wait}0.2 s[^]*${wait}0.4 s[^]*${wait}0.4 s`));
    fleet.kill('SIGTERM');
    expect(await fleet.exitCode).toBe(0);
  });

  it('ends with exit code 2 when a process does not take its settings', async () => {
    const fleet = supervise([
      { name: 'agent-1', does: 'works' },
      { name: 'tool-1', does: 'refuses' },
    ]);
    expect(await fleet.exitCode).toBe(2);
    expect(fleet.text()).toMatch(/^tool-1 {2}\| ARGOSY_X: no such setting$/m);
    expect(fleet.text()).toMatch(/argosy: tool-1 does not take its settings/);
    expect(fleet.text()).not.toContain('started again');
    await Promise.all(pidsOf(fleet.text(), 'agent-1').map(gone));
  });

  it('says after a while what it waits for', async () => {
    const fleet = supervise([{ name: 'agent-1', does: 'is never ready' }]);
    await fleet.said(/still waiting for agent-1: no database/);
    fleet.kill('SIGTERM');
    expect(await fleet.exitCode).toBe(0);
  });

  it('kills at the second SIGINT what does not end', async () => {
    const fleet = supervise([{ name: 'agent-1', does: 'hangs' }], { killAfterMs: 60_000 });
    await fleet.said(/argosy: ready/);
    const pids = pidsOf(fleet.text(), 'agent-1');
    fleet.kill('SIGINT');
    await fleet.said(/draining/);
    // The same key press, arriving twice, is one; so this is repeated until it is taken for another.
    const pressing = setInterval(() => fleet.kill('SIGINT'), 100);
    expect(await fleet.exitCode).toBe(130);
    clearInterval(pressing);
    await Promise.all(pids.map(gone));
  });

  it('kills what has not ended in time, and says so', async () => {
    const fleet = supervise([{ name: 'agent-1', does: 'hangs' }], { killAfterMs: 200 });
    await fleet.said(/argosy: ready/);
    fleet.kill('SIGTERM');
    expect(await fleet.exitCode).toBe(0);
    expect(fleet.text()).toMatch(/argosy: agent-1 was ended by SIGKILL$/m);
  });

  it('leaves nothing behind when it is killed, servers included', async () => {
    const fleet = supervise([{ name: 'agent-1', does: 'works' }], { redis: true });
    await fleet.said(/argosy: ready/);
    const [, server] = await fleet.said(/Redis has process (\d+)/);
    fleet.kill('SIGKILL');
    await fleet.exitCode;
    await Promise.all([...pidsOf(fleet.text(), 'agent-1'), Number(server)].map(gone));
  });

  it('starts a server again on its port', async () => {
    const fleet = supervise([{ name: 'agent-1', does: 'works' }], { redis: true });
    await fleet.said(/argosy: ready/);
    const [, pid, url = ''] = await fleet.said(/Redis has process (\d+) on (\S+)/);
    process.kill(Number(pid), 'SIGKILL');
    await fleet.said(/Redis was ended by SIGKILL; it is started again in 0\.1 s/);
    await fleet.said(/Redis serves again/);
    expect(url).toMatch(/:\d+$/);
    fleet.kill('SIGTERM');
    expect(await fleet.exitCode).toBe(0);
  });
});
