import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ArgosyError, InvalidInput, NotFound, Unavailable } from '#errors';
import type { Behaviour } from '../../../test/support/small-service.ts';
import { type Host, type Running, type ServiceSurroundings, serve, serveAlone } from './service.ts';

type Line = Readonly<Record<string, unknown>> & { readonly event: string };

const stores = { ARGOSY_DATABASE_URL: 'postgres://u:secret@db:5432/a', ARGOSY_REDIS_URL: 'redis://:secret@queue:6379' };

/** Collects log lines; `said` resolves with the first of an event, also one that was there already. */
class Log {
  readonly lines: Line[] = [];
  readonly #more = new EventEmitter().setMaxListeners(0);
  #rest = '';

  write(text: string): boolean {
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop() ?? '';
    this.lines.push(...parts.map((part) => JSON.parse(part) as Line));
    return this.#more.emit('more');
  }

  async said(event: string): Promise<Line> {
    for (;;) {
      const found = this.lines.find((line) => line.event === event);
      if (found !== undefined) return found;
      await new Promise((resolve) => this.#more.once('more', resolve));
    }
  }

  count(event: string): number {
    return this.lines.filter((line) => line.event === event).length;
  }
}

const alive = new Set<ChildProcess>();
afterAll(() => {
  for (const child of alive) child.kill('SIGKILL');
});

/** A real process, for what only signals show. */
function launch(behaviour: Behaviour, env: Readonly<Record<string, string>> = {}) {
  const file = join(import.meta.dirname, '..', '..', '..', 'test', 'support', 'small-service.ts');
  const args = ['--conditions=source', '--disable-warning=ExperimentalWarning', file, behaviour];
  const child = spawn(process.execPath, args, { env: { ...stores, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  alive.add(child);
  const log = new Log();
  child.stderr.setEncoding('utf8').on('data', (text: string) => log.write(text));
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { log, code, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}

/** This process in the part of one that is told to stop and that notes its exit code. */
class PlayedProcess extends EventEmitter implements Host {
  readonly pid = 1;
  readonly env: Readonly<Record<string, string>>;
  readonly stderr = new Log();
  readonly code: Promise<number>;
  readonly exit: (code: number) => void;

  constructor(env: Readonly<Record<string, string>> = stores) {
    super();
    this.env = env;
    const ended = Promise.withResolvers<number>();
    this.code = ended.promise;
    this.exit = ended.resolve;
  }
}

async function get(port: unknown, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${String(port)}${path}`);
  return { status: response.status, body: await response.text() };
}

const idle: Running = { stop: async () => undefined };

class SchemaTooNew extends ArgosyError {
  readonly code = 'schema_too_new';
  readonly retryable = false;
}

describe('a process that needs no stores', () => {
  it('starts without them and logs at info, as the others do', async () => {
    const host = new PlayedProcess({});
    void serveAlone('small', host, async () => idle);
    const { port } = await host.stderr.said('ready');
    expect((await get(port, '/readyz')).status).toBe(200);
    host.emit('SIGTERM');
    expect(await host.code).toBe(0);
  });
});

describe('a process that is told to stop', () => {
  it('turns not ready at once, drains within its grace, closes what it kept, and ends with 0', async () => {
    const { log, code, kill } = launch('ends', { ARGOSY_GRACE_MS: '20000' });
    const { port } = await log.said('ready');
    expect(await get(port, '/readyz')).toEqual({ status: 200, body: '{"status":"ok"}' });
    kill('SIGTERM');
    expect(await log.said('stopping')).toMatchObject({ graceMs: 20_000 });
    expect(await get(port, '/readyz')).toEqual({ status: 503, body: '{"status":"not_ready","reason":"draining"}' });
    expect((await get(port, '/healthz')).status).toBe(200);
    kill('SIGUSR2');
    expect(await code).toBe(0);
    expect(log.lines.map(({ event }) => event)).toEqual(['ready', 'draining', 'stopping', 'store closed', 'stopped']);
  });

  it('ends at once at the second signal', async () => {
    const { log, code, kill } = launch('never ends');
    await log.said('ready');
    kill('SIGTERM');
    await log.said('stopping');
    kill('SIGINT');
    expect(await code).toBe(130);
  });

  it('is ended with 1 when the drain goes on for too long', async () => {
    const host = new PlayedProcess({ ...stores, ARGOSY_GRACE_MS: '20' });
    const stop = async (): Promise<never> => await new Promise(() => undefined);
    void serve('small', host, async () => ({ stop }), { times: { marginMs: 30 } });
    await host.stderr.said('ready');
    host.emit('SIGINT');
    expect(await host.code).toBe(1);
    expect(host.stderr.lines.at(-1)).toMatchObject({ event: 'stop took too long', graceMs: 20 });
  });

  it('stops with 1 where the role cannot, and closes what it kept all the same', async () => {
    const host = new PlayedProcess();
    let closed = false;
    const close = async (): Promise<void> => {
      closed = true;
    };
    void serve('small', host, async ({ keep }) => {
      keep({ close });
      return { stop: async () => Promise.reject(new Unavailable('The store is away.')) };
    });
    await host.stderr.said('ready');
    host.emit('SIGTERM');
    expect(await host.code).toBe(1);
    expect(host.stderr.lines.at(-1)).toMatchObject({ event: 'failed', message: 'The store is away.' });
    expect(closed).toBe(true);
  });

  it('waits no longer than it must for something that does not close', async () => {
    const host = new PlayedProcess();
    const start = async ({ keep }: ServiceSurroundings): Promise<Running> => {
      keep({ close: async () => await new Promise(() => undefined) });
      return idle;
    };
    void serve('small', host, start, { times: { closeMs: 5 } });
    await host.stderr.said('ready');
    host.emit('SIGTERM');
    expect(await host.code).toBe(0);
    expect(host.stderr.lines.at(-1)).toMatchObject({ event: 'stopped' });
  });

  it('does not wait for a start that hangs', async () => {
    const host = new PlayedProcess();
    const begun = Promise.withResolvers<void>();
    void serve('small', host, async () => {
      begun.resolve();
      return await new Promise<Running>(() => undefined);
    });
    await begun.promise;
    host.emit('SIGTERM');
    expect(await host.code).toBe(0);
    expect(host.stderr.count('ready')).toBe(0);
  });

  it('stops a role that had just started, without calling itself ready', async () => {
    const host = new PlayedProcess();
    let stopped = false;
    const stop = async (): Promise<void> => {
      stopped = true;
    };
    void serve('small', host, async () => {
      host.emit('SIGTERM');
      return { stop };
    });
    expect(await host.code).toBe(0);
    expect(stopped).toBe(true);
    expect(host.stderr.count('ready')).toBe(0);
  });
});

describe('a process that cannot start', () => {
  it('lists every fault of its configuration and ends with 2', async () => {
    const bad = {
      ...stores,
      ARGOSY_REDIS_URL: 'http://:secret@queue',
      ARGOSY_LEASE_MS: '10',
      ARGOSY_MODEL: 'gpt',
      ARGOSY_NONE: '1',
    };
    const host = new PlayedProcess(bad);
    const checks = {
      ARGOSY_MODEL: () => {
        throw new InvalidInput([{ path: 'model', message: 'names no model' }]);
      },
    };
    await serve('small', host, async () => idle, { checks });
    expect(await host.code).toBe(2);
    expect(host.stderr.lines.map((line) => line['setting']).sort()).toEqual(
      ['ARGOSY_LEASE_MS', 'ARGOSY_MODEL', 'ARGOSY_NONE', 'ARGOSY_REDIS_URL'].sort(),
    );
    expect(JSON.stringify(host.stderr.lines)).not.toContain('secret');
  });

  it('names the stores that are missing', async () => {
    const host = new PlayedProcess({});
    await serve('small', host, async () => idle);
    expect(await host.code).toBe(2);
    expect(host.stderr.lines.map((line) => line['setting'])).toEqual(['ARGOSY_DATABASE_URL', 'ARGOSY_REDIS_URL']);
  });

  it('waits alive and not ready for what may pass or be mended, says each reason once, and goes on', async () => {
    const host = new PlayedProcess();
    const faults = [new Unavailable('away'), new Unavailable('away'), new SchemaTooNew('too new')];
    const ids = new Set<string>();
    const seen: unknown[] = [];
    let [closed, port] = [0, 0];
    const close = async (): Promise<void> => {
      closed += 1;
    };
    const start = async ({ workerId, keep, takePort }: ServiceSurroundings): Promise<Running> => {
      ids.add(workerId);
      keep({ warnings: ['no append-only file'], close });
      if (port > 0) seen.push(await get(port, '/healthz'), await get(port, '/readyz'));
      port = await takePort();
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      return idle;
    };
    void serve('small', host, start, { times: { retryMs: 5 } });
    expect(await host.stderr.said('ready')).toMatchObject({ port });
    const [alive, notReady] = [{ status: 200, body: '{"status":"ok"}' }, { status: 503 }];
    const because = (reason: string) => ({ ...notReady, body: JSON.stringify({ status: 'not_ready', reason }) });
    expect(seen).toEqual([alive, because('away'), alive, because('away'), alive, because('too new')]);
    const reasons = host.stderr.lines.filter(({ event }) => event === 'not ready').map((line) => line['reason']);
    expect(reasons).toEqual(['away', 'too new']);
    expect(host.stderr.count('warning')).toBe(1);
    expect([ids.size, closed]).toEqual([4, 3]);
    host.emit('SIGTERM');
    expect(await host.code).toBe(0);
  });

  it.each([
    ['a bug', new TypeError('of undefined')],
    ['a fault that does not pass', new NotFound('There is no such thing.')],
  ])('ends with 1 and says why after %s', async (_, fault) => {
    const host = new PlayedProcess();
    await serve('small', host, async () => Promise.reject(fault));
    expect(await host.code).toBe(1);
    expect(host.stderr.lines.at(-1)).toMatchObject({ level: 'error', event: 'failed', message: fault.message });
  });

  it('ends with 2 where its port is taken, and names the setting', async () => {
    const [first, second] = [new PlayedProcess(), new PlayedProcess()];
    void serve('small', first, async () => idle);
    const { port } = await first.stderr.said('ready');
    Object.assign(second.env, { ARGOSY_HEALTH_PORT: String(port) });
    await serve('small', second, async () => idle);
    expect(await second.code).toBe(2);
    expect(second.stderr.lines[0]).toMatchObject({ setting: 'ARGOSY_HEALTH_PORT' });
    first.emit('SIGTERM');
    expect(await first.code).toBe(0);
  });
});

describe('a process at work', () => {
  it('is not ready while its database does not answer, says so once, and recovers', async () => {
    const host = new PlayedProcess();
    let fault: Error | null = null;
    let looks = 0;
    const check = async (): Promise<void> => {
      looks += 1;
      if (fault !== null) throw fault;
    };
    const start = async ({ keep }: ServiceSurroundings): Promise<Running> => {
      keep({ check, close: async () => undefined });
      return idle;
    };
    void serve('small', host, start, { times: { lookEveryMs: 1 } });
    const { port } = await host.stderr.said('ready');
    fault = new Unavailable('away');
    await host.stderr.said('not ready');
    expect(await get(port, '/readyz')).toMatchObject({ status: 503, body: expect.stringContaining('away') });
    fault = null;
    await host.stderr.said('recovered');
    expect((await get(port, '/readyz')).status).toBe(200);
    expect(looks).toBeGreaterThan(1);
    host.emit('SIGTERM');
    expect(await host.code).toBe(0);
    expect([host.stderr.count('not ready'), host.stderr.count('ready')]).toEqual([1, 1]);
  });

  it('is not ready when its database hangs', async () => {
    const host = new PlayedProcess();
    const check = async (): Promise<never> => await new Promise(() => undefined);
    const start = async ({ keep }: ServiceSurroundings): Promise<Running> => {
      keep({ check, close: async () => undefined });
      return idle;
    };
    void serve('small', host, start, { times: { lookEveryMs: 1, lookMs: 5 } });
    expect(await host.stderr.said('not ready')).toMatchObject({ reason: 'The database gave no result within 5 ms' });
    host.emit('SIGTERM');
    expect(await host.code).toBe(0);
  });

  it('serves its metrics', async () => {
    const host = new PlayedProcess();
    void serve('small', host, async () => idle);
    const { port } = await host.stderr.said('ready');
    expect(await get(port, '/metrics')).toMatchObject({ status: 200, body: expect.stringMatching(/^# HELP /m) });
    expect((await get(port, '/v1/research')).status).toBe(404);
    host.emit('SIGTERM');
    expect(await host.code).toBe(0);
  });

  it('ends with 1 and says why when a rejection reaches nobody', async () => {
    const { log, code } = launch('rejects');
    expect(await code).toBe(1);
    expect(log.lines.at(-1)).toMatchObject({ event: 'crashed', message: 'nobody heard', stack: expect.any(String) });
  });
});
