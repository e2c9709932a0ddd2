import { describe, expect, it } from '@jest/globals';
import { aspectsOf } from './aspects.ts';

const texts = (question: string) => aspectsOf(question).map(({ text }) => text);

describe('aspectsOf', () => {
  it('leaves a simple question whole', () => {
    expect(texts('How long does a worker hold a lock?')).toEqual(['How long does a worker hold a lock?']);
  });

  it('splits at a conjunction that begins another question', () => {
    expect(texts('How long does a worker hold a lock by default, and which option changes it?')).toEqual([
      'How long does a worker hold a lock by default',
      'which option changes it?',
    ]);
  });

  it('does not split a list of nouns', () => {
    expect(texts('What do leases and epochs and fences protect?')).toHaveLength(1);
  });

  it('takes the subject along where an aspect only points back to it', () => {
    const [, second] = aspectsOf('How long does a worker hold a lock, and which option changes it?');
    expect(second?.query).toContain('worker');
    expect(second?.query).toContain('lock');
  });

  it('leaves an aspect alone that names its own subject', () => {
    const [, second] = aspectsOf('Why use COPY, and should I remove indexes before loading large tables?');
    expect(second?.query).toBe('should I remove indexes before loading large tables?');
  });

  it('adds background sentences to the question that they belong to', () => {
    expect(texts('I deleted most rows of a table. Why is the file still as big as before?')).toEqual([
      'I deleted most rows of a table. Why is the file still as big as before?',
    ]);
  });

  it('keeps a question that ends in an empty phrase in one piece', () => {
    expect(texts('We reverted a merge and half of the code is missing. What now?')).toEqual([
      'We reverted a merge and half of the code is missing. What now?',
    ]);
  });

  it('stops at four aspects', () => {
    const many = 'What is alpha one? What is beta two? What is gamma three? What is delta four? What is epsilon five?';
    expect(texts(many)).toHaveLength(4);
  });

  it('takes text without any question as one aspect', () => {
    expect(texts('Postgres vacuum disk space')).toEqual(['Postgres vacuum disk space']);
  });
});
