import { describe, expect, it } from '@jest/globals';
import { readWebPage } from './extract.ts';

describe('readWebPage', () => {
  it.each(['plain', 'markdown', 'code'] as const)('shows no model what no reader of %s sees', async (type) => {
    const bytes = Buffer.from(`pay\u200bload\u202e${String.fromCodePoint(0xe0069, 0xe0067)} here`);
    expect((await readWebPage({ bytes, type })).extracted?.text).toBe('payload here');
  });
});
