import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { temporaryFolder } from '../../../../test/support/embedded.ts';
import { announcedServer, DataDirectory, DataDirectoryBusy } from './data-directory.ts';

const root = join(import.meta.dirname, '../../../..');
const base = temporaryFolder();
const children: ChildProcess[] = [];
let made = 0;

const fresh = (): string => join(base, `${made++}`, 'data');

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** Another process that holds the directory and does nothing else. */
async function holder(path: string): Promise<ChildProcess> {
  const script = `import { DataDirectory } from '#runs';
    const held = DataDirectory.hold(process.argv[1]);
    process.stdout.write('held');
    setInterval(() => held, 60_000);`;
  const args = ['--conditions=source', '--no-warnings', '--input-type=module', '--eval', script, path];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [first] = await once(child.stdout ?? child, 'data');
  expect(String(first)).toBe('held');
  return child;
}

describe('a data directory', () => {
  it('is created where needed, and held by one at a time in a process', async () => {
    const path = fresh();
    const held = DataDirectory.hold(path);
    expect(() => DataDirectory.hold(path)).toThrow(DataDirectoryBusy);
    await held.release();
    const again = DataDirectory.hold(path);
    await again.release();
  });

  it('is held against other processes, and free at once when its holder is killed', async () => {
    const path = fresh();
    const child = await holder(path);
    expect(() => DataDirectory.hold(path)).toThrow(DataDirectoryBusy);
    expect(() => DataDirectory.hold(path)).toThrow(path);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const held = DataDirectory.hold(path);
    await held.release();
  });

  it('does not hinder another one', async () => {
    const [one, two] = [DataDirectory.hold(fresh()), DataDirectory.hold(fresh())];
    await Promise.all([one.release(), two.release()]);
  });

  it('that cannot be written is named, with what to do about it', () => {
    const path = fresh();
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'a file');
    expect(() => DataDirectory.hold(join(path, 'below'))).toThrow(InvalidInput);
    expect(() => DataDirectory.hold(join(path, 'below'))).toThrow(/ARGOSY_DATA_DIR/);
  });

  it('whose lock is no lock is named, and nothing is overwritten', () => {
    const path = fresh();
    mkdirSync(path, { recursive: true });
    writeFileSync(
      join(path, 'lock.sqlite'),
      'something else entirely, and long enough to be read as a header'.repeat(20),
    );
    expect(() => DataDirectory.hold(path)).toThrow(InvalidInput);
  });
});

describe('the announced server', () => {
  it('can be found while it holds the directory', async () => {
    const path = fresh();
    expect(await announcedServer(path)).toBeNull();
    const held = DataDirectory.hold(path);
    expect(await announcedServer(path)).toBeNull();
    await held.announce('http://127.0.0.1:7420');
    expect(await announcedServer(path)).toBe('http://127.0.0.1:7420');
    await held.release();
    expect(await announcedServer(path)).toBeNull();
  });

  it.each(['', '{"url":', '{"url":7}'])('is nobody when the announcement reads %j', async (text) => {
    const path = fresh();
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'server.json'), text);
    expect(await announcedServer(path)).toBeNull();
  });
});
