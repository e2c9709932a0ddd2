import { describe, expect, it } from '@jest/globals';
import { PrefixIndex } from './prefix-index.ts';
import { blocksOf } from './prompt-blocks.ts';

const system = { role: 'system' as const, content: 'You research. '.repeat(1_000) };
const user = (content: string) => ({ role: 'user' as const, content });

describe('what groups have seen of a prompt', () => {
  it('is told by the beginning that they have seen in one piece; what every run begins with counts for nothing', () => {
    const index = new PrefixIndex();
    const long = [system, user('a'.repeat(8_192)), user('b'.repeat(4_096))];
    index.note(blocksOf(long, 't'), 'far');
    index.note(blocksOf(long.slice(0, 2), 't'), 'near');
    const next = blocksOf([...long, user('c'.repeat(4_000))], 't');
    expect([...index.overlaps(next)]).toEqual([
      ['far', 3_072],
      ['near', 2_048],
    ]);
    const forked = blocksOf([system, user('a'.repeat(4_096)), user('b'.repeat(4_096))], 't');
    expect(index.overlaps(forked).get('far')).toBe(1_024);
    expect(Math.max(...index.overlaps(blocksOf([system, user('q')], 't')).values())).toBe(0);
  });

  it('is nothing for another tenant, another role, and after the group was lost', () => {
    const index = new PrefixIndex();
    const prompt = [user('a'.repeat(4_096))];
    index.note(blocksOf(prompt, 't'), 'g');
    expect(index.overlaps(blocksOf(prompt, 'other')).size).toBe(0);
    expect(index.overlaps(blocksOf([{ role: 'assistant', content: 'a'.repeat(4_096) }], 't')).size).toBe(0);
    expect(index.overlaps(blocksOf(prompt, 't')).size).toBe(1);
    index.forget('g');
    expect([index.overlaps(blocksOf(prompt, 't')).size, index.size]).toEqual([0, 0]);
  });

  it('forgets what was not seen for longest', () => {
    const index = new PrefixIndex(3);
    for (const text of ['a', 'b', 'c', 'a', 'd']) index.note(blocksOf([user(text)], 't'), 'g');
    const knows = (text: string) => index.overlaps(blocksOf([user(text)], 't')).has('g');
    expect(['a', 'b', 'c', 'd'].map(knows)).toEqual([true, false, true, true]);
    expect(index.size).toBe(3);
  });
});
