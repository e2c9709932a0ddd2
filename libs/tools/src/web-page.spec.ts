import { describe, expect, it } from '@jest/globals';
import type { EgressResponse } from '#egress';
import { documentOf, statusFault } from './web-page.ts';

const reply = (part: Partial<EgressResponse>): EgressResponse => ({
  ...{ url: 'https://a.example/x', status: 200, headers: {}, contentType: 'text/html', body: Buffer.from('<html>') },
  ...part,
});

describe('statusFault', () => {
  it.each([
    [404, 'invalid'],
    [410, 'invalid'],
    [401, 'blocked'],
    [403, 'blocked'],
    [451, 'blocked'],
    [429, 'quota'],
    [500, 'transient'],
    [503, 'transient'],
  ])('takes %i for %s and tells the status', (status, kind) => {
    const fault = statusFault(reply({ status }), 0);
    expect(fault?.kind).toBe(kind);
    expect(fault?.message).toContain(String(status));
  });

  it('reads Retry-After in seconds and as a date', () => {
    const told = (value: string) => statusFault(reply({ status: 429, headers: { 'retry-after': value } }), 0);
    expect(told('7')?.retryAfterMs).toBe(7_000);
    expect(told('Thu, 01 Jan 1970 00:01:00 GMT')?.retryAfterMs).toBe(60_000);
    expect(told('soon')).not.toHaveProperty('retryAfterMs');
  });
});

describe('documentOf', () => {
  it.each([
    ['text/html; charset=ISO-8859-1', 'https://a.example/x', '<p>', 'html'],
    ['text/plain', 'https://a.example/readme.md', '# x', 'markdown'],
    ['application/json', 'https://a.example/x', '{}', 'code'],
    ['application/octet-stream', 'https://a.example/x', '%PDF-1.7', 'pdf'],
    ['', 'https://a.example/x', '<!DOCTYPE html>', 'html'],
  ])('reads %s at %s', (contentType, url, body, type) => {
    expect(documentOf(reply({ contentType, url, body: Buffer.from(body) }))).toMatchObject({ type });
  });

  it('keeps the declared charset and the first 2 MiB of HTML', () => {
    const body = new Uint8Array(3 * 1024 * 1024).fill(32);
    const read = documentOf(reply({ contentType: 'text/html; charset="windows-1252"', body }));
    expect(read).toMatchObject({ charset: 'windows-1252' });
    expect('bytes' in read && read.bytes.byteLength).toBe(2 * 1024 * 1024);
  });

  it('refuses types that are not read', () => {
    expect(documentOf(reply({ contentType: 'image/png' }))).toMatchObject({ kind: 'invalid' });
  });
});
