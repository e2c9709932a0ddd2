import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput, Unavailable } from '#errors';
import { readConfig } from '#platform';
import { temporaryFolder, useStore } from '../../../test/support/embedded.ts';
import { ferryFacts, writeFerryCorpus } from '../../../test/support/ferry-corpus.ts';
import { Client } from './client.ts';
import { uploadCorpora } from './corpus-upload.ts';
import { Embedded, type EmbeddedOptions } from './embedded.ts';
import { exitCodes, research } from './research.ts';
import { parseResearch } from './research-options.ts';

const optionsIn = (folder: string): EmbeddedOptions => ({
  config: readConfig({ ARGOSY_DATA_DIR: join(folder, 'data') }),
  port: 0,
  model: null,
  writeLog: () => undefined,
});

/** A server of its own; what makes it remote is only that we are told no more than its address. */
const server = useStore(async (folder) => {
  const embedded = await Embedded.start(optionsIn(folder));
  return { url: embedded.url, close: async () => await embedded.stop() };
});

/** Does something of the test's own before each folder is offered and each file is sent. */
class Watched extends Client {
  readonly puts: string[] = [];
  offers = 0;
  beforePut: (count: number) => Promise<void> = async () => undefined;
  beforeOffer: (count: number) => Promise<void> = async () => undefined;

  override async send(path: string, init: RequestInit = {}, limitMs?: number): Promise<Response> {
    if (init.method === 'PUT') {
      this.puts.push(path);
      await this.beforePut(this.puts.length);
    }
    if (init.method === 'POST' && path === '/v1/corpora') {
      this.offers += 1;
      await this.beforeOffer(this.offers);
    }
    return await super.send(path, init, limitMs);
  }
}

describe('uploadCorpora', () => {
  const workplace = temporaryFolder();
  let folder: string;
  let docs: string;
  let client: Watched;
  let interrupt: AbortController;
  let notes: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(workplace, 'w-'));
    docs = writeFerryCorpus(folder);
    client = new Watched(server().url);
    interrupt = new AbortController();
    notes = [];
  });

  const progress = { status: () => undefined, end: () => undefined, note: (text: string) => void notes.push(text) };
  const upload = async (...paths: string[]): Promise<string[]> =>
    await uploadCorpora(client, paths, { progress, interrupted: interrupt.signal });

  /** The whole folder with words that no other test has sent. */
  async function fresh(): Promise<void> {
    for (const name of ['timetable.md', 'tickets.html', 'vessels.json', 'booking.d.ts']) {
      const text = await readFile(join(docs, name), 'utf8');
      await writeFile(join(docs, name), `${text}\n${folder}\n`);
    }
    await appendFile(join(docs, 'logbook.pdf'), `% ${folder}\n`);
  }

  it('sends a folder once, nothing the second time, and afterwards what has changed', async () => {
    await fresh();
    const [id] = await upload(docs, docs);
    expect(client.puts).toHaveLength(5);
    expect(notes).toHaveLength(2);
    expect(notes[0]).toMatch(/ferry: 5 documents, \d+ passages; 5 of 5 files sent \(\d+\.\d KB\) in \d+\.\d s$/);
    expect(notes[1]).toMatch(/0 of 5 files sent \(0\.0 KB\)/);
    await appendFile(join(docs, 'timetable.md'), '\nA new line.\n');
    await rm(join(docs, 'tickets.html'));
    const [changed] = await upload(docs);
    expect(changed).not.toBe(id);
    expect(client.puts).toHaveLength(6);
    expect(notes[2]).toMatch(/4 documents.*1 of 4 files sent/);
  });

  it('says what was left out here and there', async () => {
    await writeFile(join(docs, 'binary.md'), Buffer.from([0x23, 0, 1]));
    await writeFile(join(docs, 'line\nbreak.md'), 'words');
    await writeFile(join(docs, 'photo.jpg'), 'x');
    await upload(docs);
    expect(notes[0]).toMatch(/5 documents.*; 3 files skipped \(mostly: /);
  });

  it('sends a single file', async () => {
    const [id] = await upload(join(docs, 'timetable.md'));
    expect(id).toMatch(/^c_/);
    expect(notes[0]).toMatch(/timetable\.md: 1 documents/);
  });

  it('reads a folder again that changed while it was sent', async () => {
    await fresh();
    client.beforeOffer = async (count) => {
      if (count > 1) return;
      await appendFile(join(docs, 'timetable.md'), 'more');
      await rm(join(docs, 'booking.d.ts'));
    };
    await upload(docs);
    expect(notes).toEqual([expect.stringMatching(/4 documents/)]);
  });

  it('gives up on a folder that never stops changing, and names a file', async () => {
    await fresh();
    client.beforeOffer = async (count) => await appendFile(join(docs, 'timetable.md'), `${count}`);
    const sent = upload(join(docs, 'timetable.md'));
    await expect(sent).rejects.toThrow(InvalidInput);
    await expect(sent).rejects.toThrow(/timetable\.md changes while it is being sent/);
    expect(client.puts).toHaveLength(3);
  });

  it('goes on where it was when the server was away', async () => {
    await fresh();
    client.beforePut = async (count) => {
      if (count === 2) throw new Unavailable('the server is away');
    };
    await upload(docs);
    expect(notes).toEqual(['connection lost, reconnecting', expect.stringMatching(/5 documents.*5 of 5 files sent/)]);
    expect(new Set(client.puts).size).toBe(5);
    expect(client.puts.length).toBeLessThanOrEqual(6 + 3);
  });

  it('stops when it is interrupted, and the same command goes on from there', async () => {
    await fresh();
    client.beforePut = async (count) => {
      if (count === 5) interrupt.abort('Ctrl-C');
    };
    await expect(upload(docs)).rejects.toThrow(Aborted);
    interrupt = new AbortController();
    client = new Watched(server().url);
    await upload(docs);
    expect(client.puts.length).toBeLessThan(5);
    expect(notes).toEqual([expect.stringMatching(/5 documents/)]);
  });

  it.each<[string, string, RegExp]>([
    ['a path that is not there', 'nowhere', /nowhere: there is no such file or folder/],
    ['a folder without documents', 'pictures', /pictures: holds no document/],
    ['a folder that the server finds nothing in', 'binaries', /binaries: the server cannot index it: .*binary content/],
  ])('refuses %s and says why', async (_, name, words) => {
    for (const [path, data] of [
      ['pictures/a.jpg', 'x'],
      ['binaries/a.md', 'a\0b'],
    ] as const) {
      await mkdir(join(folder, path, '..'), { recursive: true });
      await writeFile(join(folder, path), data);
    }
    const sent = upload(join(folder, name));
    await expect(sent).rejects.toThrow(InvalidInput);
    await expect(sent).rejects.toThrow(words);
  });

  it('makes a folder searchable for research on a remote server, which never sees its path', async () => {
    const out = join(folder, 'reports');
    const [, question, fact] = ferryFacts[0];
    const printed: string[] = [];
    const terminal = { progress, print: (text: string) => void printed.push(text), interrupted: interrupt.signal };
    const command = parseResearch([question, '--corpus', docs, '--out', out]);
    const here = optionsIn(folder);
    expect(await research(command, { url: server().url }, here, terminal)).toBe(exitCodes.ok);
    expect(printed.join('')).toContain(fact);
    expect(printed.join('')).toContain('corpus:ferry/timetable.md');
    expect(printed.join('')).not.toContain(folder);
    expect(existsSync(join(folder, 'data'))).toBe(false);
  });
});
