import { describe, expect, it } from '@jest/globals';
import type { EgressResponse } from '#egress';
import { documentOf, keepMsOf, statusFault, toldBy } from './web-page.ts';

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
    ['application/pdf', 'https://a.example/x.pdf', '<!-- gone --> <html lang="en">', 'html'],
    ['text/html', 'https://a.example/x', '%PDF-1.7', 'pdf'],
    ['application/octet-stream', 'https://a.example/notes', 'Plain words.', 'plain'],
    ['text/plain', 'https://a.example/page.html', '<html>', 'plain'],
    ['application/feed+json', 'https://a.example/x', '{}', 'code'],
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

  it.each([
    ['text/html', '89504e470d0a1a0a0000000d', 'a PNG picture, sent as text/html'],
    ['text/plain', '504b030414000600', 'a ZIP archive or an office document'],
    ['application/json', '1f8b0800000000', 'a gzip archive'],
    ['text/plain', '7f454c4602010100', 'a program'],
    ['', '00010203040506', 'of a binary form'],
    ['application/pdf', '48656c6c6f', 'no PDF'],
    ['video/mp4', '0000001866747970', 'an MP4 video'],
  ])('says what %s of the bytes %s is and does not read it', (contentType, hex, what) => {
    const fault = documentOf(reply({ contentType, body: Buffer.from(hex, 'hex') }));
    expect(fault).toMatchObject({ kind: 'invalid', message: expect.stringContaining(what) });
  });

  it('takes UTF-16 for the text that it is', () => {
    const body = Buffer.from('\ufeffHello', 'utf16le');
    expect(documentOf(reply({ contentType: 'text/plain', body }))).toMatchObject({ type: 'plain' });
  });
});

describe('keepMsOf', () => {
  const minutes = (headers: Record<string, string>) =>
    keepMsOf(headers, Date.parse('2026-01-01T00:00:00Z'), 5 * 60_000) / 60_000;

  it.each([
    [{}, 60],
    [{ 'cache-control': 'public, max-age=1800' }, 30],
    [{ 'cache-control': 'max-age=1800', age: '900' }, 15],
    [{ 'cache-control': 'max-age=10' }, 5],
    [{ 'cache-control': 'private, no-store, max-age=9000' }, 5],
    [{ 'cache-control': 'max-age=99999999' }, 1440],
    [{ expires: 'Thu, 01 Jan 2026 02:00:00 GMT' }, 120],
    [{ expires: '0' }, 5],
  ])('takes %j for %i minutes', (headers, kept) => {
    expect(minutes(headers)).toBe(kept);
  });
});

describe('toldBy', () => {
  it('makes the page`s own address whole and leaves out what is none', () => {
    const facts = { title: null, published: '2024-05', modified: null, language: null };
    const told = (canonical: string) => toldBy({ ...facts, canonical }, 'https://a.example/b?utm=1');
    expect(told('/b')).toEqual({ published: '2024-05', canonical: 'https://a.example/b' });
    expect(told('javascript:alert(1)')).toEqual({ published: '2024-05' });
  });
});
