import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');

/** Starts a server in a process of its own. @returns what came of it */
function startedWith(options: object, env: Readonly<Record<string, string>>): string {
  const program = `
    import { startModelServer } from './test/support/model-server.ts';
    const started = startModelServer([], ${JSON.stringify(options)});
    console.log(await started.then(async (server) => { await server.close(); return 'started'; }, String));`;
  const args = ['--conditions=source', '--input-type=module', '--eval', program];
  const { PATH = '' } = process.env;
  return spawnSync(process.execPath, args, { cwd: root, env: { PATH, ...env }, encoding: 'utf8' }).stdout.trim();
}

describe('startModelServer', () => {
  it.each([
    ['without NODE_ENV', {}, 'NODE_ENV is ""'],
    ['in production', { NODE_ENV: 'production' }, 'NODE_ENV is "production"'],
  ])('refuses to start %s, and says where it may', (_where, env, why) => {
    const said = startedWith({}, env);
    expect(said).toMatch(/^InvalidState: The scripted model server plays a script and knows nothing/);
    expect(said).toContain(why);
    expect(said).toContain('set ARGOSY_MODEL to a real model');
  });

  it('starts in tests, and where a benchmark says that it is one', () => {
    expect(startedWith({}, { NODE_ENV: 'test' })).toBe('started');
    expect(startedWith({ purpose: 'benchmark' }, {})).toBe('started');
  });
});
