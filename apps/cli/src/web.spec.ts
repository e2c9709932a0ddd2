import { describe, expect, it } from '@jest/globals';
import type { RunResource } from '#contracts';
import { InvalidInput } from '#errors';
import { reportOf } from '../../../test/support/research.ts';
import { Client } from './client.ts';
import { parseResearch } from './research-options.ts';
import { isCutOff, webNote } from './web.ts';

const providers = [
  { name: 'mediawiki', hosts: ['*.wikipedia.org'] },
  { name: 'arxiv', hosts: ['export.arxiv.org'] },
];
const command = (...args: readonly string[]) => parseResearch(['Why?', ...args]);
const at = (kind: 'own' | 'joined' | 'remote') => ({ kind, client: new Client('http://127.0.0.1:7420') });

describe('webNote', () => {
  it('names every host that will be asked, or those of the providers that the command names', () => {
    expect(webNote(command(), at('own'), providers)).toContain(
      'queries go to *.wikipedia.org (mediawiki), export.arxiv.org (arxiv); ',
    );
    const named = webNote(command('--corpus', 'docs', '--provider', 'arxiv'), at('own'), providers);
    expect(named).toContain('queries go to export.arxiv.org (arxiv); ');
  });

  it.each([
    [['--corpus', 'docs'], false],
    [['--url', 'https://example.org/'], false],
    [['--corpus', 'docs', '--web'], true],
    [[], true],
  ])('speaks for %j: %s', (args, speaks) => {
    expect(webNote(command(...args), at('own'), providers) !== null).toBe(speaks);
  });

  it('knows nothing of the providers of another server', () => {
    expect(webNote(command(), at('remote'), providers)).toMatch(/^the web is searched by http:\/\/127\.0\.0\.1:7420, /);
    expect(webNote(command(), at('joined'), [])).not.toContain('wikipedia');
  });

  it('refuses a question alone where nobody can be asked, and leaves the rest to the server', () => {
    expect(() => webNote(command(), at('own'), [])).toThrow(InvalidInput);
    expect(() => webNote(command(), at('own'), [])).toThrow(/--corpus PATH.*--url URL/);
    expect(webNote(command('--url', 'https://example.org/', '--web'), at('own'), [])).toBeNull();
    expect(webNote(command('--provider', 'google'), at('own'), providers)).toBeNull();
  });
});

describe('isCutOff', () => {
  const ended = (status: 'failed' | 'completed', ...degraded: string[]): RunResource => {
    const report = { ...reportOf('run_1', status), degraded };
    const times = { created_at: '', started_at: null, ended_at: '' };
    // A report that was read by its schema is no different.
    const read = report as unknown as NonNullable<RunResource['report']>;
    return {
      id: 'run_1',
      status,
      question: 'Why?',
      model: 'x',
      queue_position: null,
      budget: { steps: 100 },
      corpora: [],
      metadata: {},
      report: read,
      ...times,
    };
  };

  it('is said of a run that had nothing but the web, which did not answer', () => {
    expect(isCutOff(ended('failed', 'no_web_search'), command())).toBe(true);
  });

  it.each<[string, RunResource, ReturnType<typeof command>]>([
    ['that was answered', ended('completed'), command()],
    ['that failed for another reason', ended('failed', 'no_llm'), command()],
    ['with documents', ended('failed', 'no_web_search'), command('--corpus', 'docs', '--web')],
    ['without the web', ended('failed', 'no_web_search'), command('--url', 'https://example.org/')],
  ])('is not said of a run %s', (_what, run, asked) => {
    expect(isCutOff(run, asked)).toBe(false);
  });
});
