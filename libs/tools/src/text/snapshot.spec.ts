import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { extractText, snapshotOf } from './snapshot.ts';

describe('snapshots', () => {
  it('have plain line ends, no byte order mark, and the sha256 of their UTF-8 bytes', () => {
    const { text, sha256, bytes } = extractText('\ufeffCafé\r\nlock\rend', 'plain');
    expect(text).toBe('Café\nlock\nend');
    expect(sha256).toBe(createHash('sha256').update(text, 'utf8').digest('hex'));
    expect(bytes).toBe(14);
  });

  it('hold nothing that storing would change', () => {
    expect(snapshotOf(null, 'a\0b\ud800c', 'pdf').text).toBe('a\ufffdb\ufffdc');
  });

  it('take the first heading of first rank for the title and do not repeat it above the passages', () => {
    const { title, spans } = extractText('## Before\n\nx\n\n# Guide\n\ny\n\n## Use\n\nz', 'markdown');
    expect(title).toBe('Guide');
    expect(spans.flatMap((s) => s.headings)).not.toContain('Guide');
  });

  it('have no title where the content names none', () => {
    expect(extractText('## Only a section\n\nx', 'markdown').title).toBeNull();
    expect(extractText('# a shell comment\nls', 'code').title).toBeNull();
  });
});
