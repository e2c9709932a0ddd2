import { afterAll, describe, expect, it } from '@jest/globals';
import { DeadlineExceeded, InvalidInput, Unavailable } from '#errors';
import { smallPdf } from '../testing/pdf.contract.ts';
import { Extraction } from './extraction.ts';

const html = (text: string) => ({ bytes: Buffer.from(text), type: 'html' as const });
const deep = html(`<html><body>${'<div><p>x'.repeat(60_000)}</body></html>`);

describe('Extraction', () => {
  const extraction = new Extraction({ threads: 1 });
  afterAll(() => extraction.close());

  it('reads HTML in a thread', async () => {
    const page = await extraction.extract(html('<title>T</title><h1>T</h1><p>Body.</p>'), { timeoutMs: 20_000 });
    expect(page).toMatchObject({ title: 'T', text: '# T\n\nBody.' });
  });

  it('reads a PDF page by page', async () => {
    const bytes = smallPdf(['First page about queues', 'Second page about locks']);
    const { text, spans } = await extraction.extract({ bytes, type: 'pdf' }, { timeoutMs: 20_000 });
    expect(text).toBe('First page about queues\fSecond page about locks');
    expect(spans.map((s) => s.headings)).toEqual([['Page 1'], ['Page 2']]);
  });

  it('says that a broken PDF is broken', async () => {
    const bytes = Buffer.from('%PDF-1.7 this is no PDF');
    await expect(extraction.extract({ bytes, type: 'pdf' }, { timeoutMs: 20_000 })).rejects.toThrow(InvalidInput);
  });

  it('gives up a page at its limit and reads the next with a new thread', async () => {
    await expect(extraction.extract(deep, { timeoutMs: 1 })).rejects.toThrow(DeadlineExceeded);
    const page = await extraction.extract(html('<p>next</p>'), { timeoutMs: 20_000 });
    expect(page.text).toBe('next');
  });

  it('survives a page that uses up the heap', async () => {
    const small = new Extraction({ threads: 1, heapMb: 16 });
    await expect(small.extract(deep, { timeoutMs: 25_000 })).rejects.toThrow(Unavailable);
    await small.close();
  });

  it('finds the passages that fit a goal, in page order', async () => {
    const text = 'Alpha is first.\n\nLocks last 30 s.\n\nOmega is last.';
    const spans = text.split('\n\n').map((part) => {
      return { start: text.indexOf(part), end: text.indexOf(part) + part.length, headings: [] };
    });
    const limits = { timeoutMs: 20_000, limit: 8 };
    const found = await extraction.fit({ text, spans }, 'how long does the lock last', limits);
    expect(found.map((s) => text.slice(s.start, s.end))).toEqual(['Locks last 30 s.', 'Omega is last.']);
  });
});
