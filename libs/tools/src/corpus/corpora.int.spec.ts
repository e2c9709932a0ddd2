import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Corpora } from './corpora.ts';

describe('Corpora', () => {
  it('quick', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'corpora-'));
    await mkdir(join(dir, 'docs'));
    await writeFile(
      join(dir, 'docs', 'a.md'),
      '# Queues\n\nA queue holds jobs. Use removeOnComplete to drop them.\n\n## Workers\n\nWorkers take jobs.\n',
    );
    const corpora = await Corpora.open(join(dir, 'index'));
    const report = await corpora.sync(join(dir, 'docs'));
    console.log(report);
    console.log(await corpora.plainSearch([report.id], 'what does remove on complete do', 5));
    console.log(await corpora.statistics([report.id], ['jobs', 'workers', 'remove on complete', 'zebra']));
    await corpora.close();
    expect(report.documents).toBe(1);
  });
});
