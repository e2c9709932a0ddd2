import { describe, expect, it } from '@jest/globals';
import { charsetOf } from './charset.ts';

const latin = (text: string) => Buffer.from(text, 'latin1');

describe('charsetOf', () => {
  it.each([
    ['a byte order mark over all else', Buffer.from([0xff, 0xfe, 0x41, 0]), 'iso-8859-5', 'utf-16le'],
    ['what its sender declared', latin('<meta charset="gbk">'), 'koi8-r', 'koi8-r'],
    ['what the page declares', latin('<html><meta charset="Shift_JIS">'), undefined, 'shift_jis'],
    ['what its XML declares', latin('<?xml version="1.0" encoding="iso-8859-2"?><html>'), undefined, 'iso-8859-2'],
    ['what it declares where the sender names none that exists', latin('<meta charset=euc-kr>'), 'x-none', 'euc-kr'],
    ['UTF-8 without any of these', Buffer.from('<p>é'), undefined, 'utf-8'],
    ['windows-1252 where the bytes are no UTF-8', latin('<p>\x93caf\xe9\x94'), undefined, 'windows-1252'],
  ])('takes %s', (_, bytes, sent, charset) => {
    expect(charsetOf(bytes, 'html', sent)).toBe(charset);
  });

  it('takes no UTF-8 for broken because its first part ends inside a character', () => {
    const text = `${'a'.repeat(256 * 1024 - 1)}é`;
    expect(charsetOf(Buffer.from(text), 'plain', undefined)).toBe('utf-8');
  });
});
