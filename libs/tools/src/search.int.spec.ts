import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput } from '#errors';
import { Corpora } from './corpus/corpora.ts';
import { searchTool } from './search.ts';
import { contextWith } from './testing/context.contract.ts';

describe('search', () => {
  let base: string;
  let corpora: Corpora;
  let id: string;

  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'argosy-search-'));
    await writeFile(join(base, 'locks.md'), '# Locks\n\nA worker renews its lock until the job ends.\n');
    await writeFile(join(base, 'retries.md'), '# Retries\n\nA failed job is tried again after a backoff.\n');
    corpora = await Corpora.open(join(base, '.index'));
    id = (await corpora.sync(base)).id;
  });
  afterAll(async () => {
    await corpora.close();
    await rm(base, { recursive: true });
  });

  it('answers each query in its own section, with sources and the texts that passages point into', async () => {
    const query = ['who renews the lock', 'backoff of a failed job'];
    const { observation, snapshots } = await searchTool(corpora).run({ query }, contextWith({ corpora: [id] }));
    expect(observation.sections.map((s) => s.label)).toEqual(query);
    expect(observation.sections[0]?.passages[0]?.text).toContain('renews its lock');
    for (const passage of observation.sections.flatMap((s) => s.passages)) {
      expect(snapshots.get(passage.sha256)?.slice(passage.start, passage.end)).toBe(passage.text);
      expect(observation.sources.map((s) => s.sha256)).toContain(passage.sha256);
    }
  });

  it('tells a query that found nothing from one that did', async () => {
    const args = { query: ['zebra', 'lock'] };
    const { observation } = await searchTool(corpora).run(args, contextWith({ corpora: [id] }));
    expect(observation.sections.map((s) => s.fault?.kind)).toEqual(['empty', undefined]);
  });

  it('is blocked when the run has nothing to search', async () => {
    const { observation } = await searchTool(corpora).run({ query: ['lock'] }, contextWith({}));
    expect(observation.sections[0]?.fault).toMatchObject({ kind: 'blocked', message: expect.stringMatching(/web/) });
  });

  it('reports a corpus that is gone as a fault of the query', async () => {
    const context = contextWith({ corpora: ['c_0123456789abcdef'] });
    const { observation } = await searchTool(corpora).run({ query: ['lock'] }, context);
    expect(observation.sections[0]?.fault?.kind).toBe('invalid');
  });

  it.each([{}, { query: [] }, { query: ['a', 'b', 'c', 'd', 'e', 'f'] }, { query: [7] }, { query: ['  '] }])(
    'refuses the arguments %j',
    async (args) => {
      await expect(searchTool(corpora).run(args, contextWith({ corpora: [id] }))).rejects.toThrow(InvalidInput);
    },
  );

  it('stops when its signal fires', async () => {
    const context = { ...contextWith({ corpora: [id] }), signal: AbortSignal.abort() };
    await expect(searchTool(corpora).run({ query: ['lock'] }, context)).rejects.toThrow(Aborted);
  });
});
