import { describe, expect, it } from '@jest/globals';
import { splitIdentifier, stems, subjectWords, wordsOf } from '#domain';
import { indexText, quoteTerm, spellings } from './terms.ts';

describe('terms', () => {
  it('splits identifiers at case changes, digits and marks', () => {
    expect(splitIdentifier('removeOnComplete')).toEqual(['remove', 'On', 'Complete']);
    expect(splitIdentifier('HTTPServer2_max.size')).toEqual(['HTTP', 'Server', '2', 'max', 'size']);
  });

  it('adds the parts of compound words after the text, so that phrases of the text stay adjacent', () => {
    expect(indexText('call queue.addBulk now')).toBe('call queue.addBulk now\nadd Bulk');
  });

  it('leaves plain words alone', () => {
    expect(indexText('a plain sentence')).toBe('a plain sentence');
  });

  it('parts CJK characters in the index and asks for pairs of them', () => {
    expect(indexText('研究').replace(/\s+/g, ' ').trim()).toBe('研 究');
    expect(wordsOf('深度研究 bullmq')).toEqual(['深度', '度研', '研究', 'bullmq']);
  });

  it('joins a word that a line end broke', () => {
    expect(indexText('inter-\nnational law')).toContain('international');
  });

  it('quotes a term so that nothing in it is query syntax', () => {
    expect(quoteTerm('a" OR title:b*')).toBe('"a"" OR title:b*"');
    expect(quoteTerm('+++')).toBeNull();
  });

  it('drops words that say nothing, but not when nothing else is left', () => {
    expect(subjectWords("What does the worker's lockDuration do?")).toEqual(['worker', 'lockDuration']);
    expect(subjectWords('who is it')).toEqual(['who', 'is', 'it']);
  });

  it('offers the parts of an identifier as another spelling', () => {
    expect(spellings('lockDuration')).toEqual(['lockDuration', 'lock Duration']);
    expect(spellings('worker')).toEqual(['worker']);
  });

  it('brings endings of one word together', () => {
    expect(new Set(stems('retry retries jobs job queued queues')).size).toBeLessThan(6);
  });
});
