import { describe, expect, it } from '@jest/globals';
import type { RunResource } from '../libs.ts';
import { prepareFollowUp, takeFollowUp } from './follow-up.ts';

type Report = NonNullable<RunResource['report']>;

const reportOf = (...uris: readonly string[]) => ({ sources: uris.map((uri) => ({ uri })) }) as Report; // what is read of it

describe('a follow-up', () => {
  it('takes the pages that a report rests on, each once, and its documents, for the next question alone', () => {
    const report = reportOf('https://a.example/1', 'corpus:notes.md', 'https://a.example/1', 'http://b.example/');
    prepareFollowUp(report, ['c_1']);
    expect(takeFollowUp()).toEqual({ urls: 'https://a.example/1\nhttp://b.example/', corpora: ['c_1'] });
    expect(takeFollowUp()).toEqual({});
  });

  it('names no more pages than a question may', () => {
    prepareFollowUp(reportOf(...Array.from({ length: 70 }, (_, n) => `https://a.example/${n}`)), []);
    expect(takeFollowUp().urls?.split('\n')).toHaveLength(50);
  });
});
