import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { readWebPage } from './extract.ts';

describe('readWebPage', () => {
  it('says of HTML that no parser can read that it cannot be read', async () => {
    const broken = readWebPage({ bytes: Buffer.from('<html lang="'), type: 'html' });
    await expect(broken).rejects.toThrow(InvalidInput);
  });

  it.each(['plain', 'markdown', 'code'] as const)('shows no model what no reader of %s sees', async (type) => {
    const bytes = Buffer.from(`pay\u200bload\u202e${String.fromCodePoint(0xe0069, 0xe0067)} here`);
    expect((await readWebPage({ bytes, type })).extracted?.text).toBe('payload here');
  });
});
