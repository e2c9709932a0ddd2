import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keyRandomBytes, macOf, newKeyText, parseKeyText, parsePepper, sameMac } from './key-text.ts';

const pepper = randomBytes(32);
const random = fc.uint8Array({ minLength: keyRandomBytes, maxLength: keyRandomBytes });

describe('the text of a key', () => {
  it('is read back, whatever chance gave', () => {
    fc.assert(
      fc.property(random, (bytes) => {
        const made = newKeyText('live', bytes);
        expect(made.text).toMatch(/^arg_live_[0-9a-f]{16}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
        expect(parseKeyText(made.text)).toEqual(made);
      }),
    );
  });

  it('keeps all 32 bytes of the secret: another byte is another text', () => {
    fc.assert(
      fc.property(random, fc.nat(31), fc.integer({ min: 1, max: 255 }), (bytes, at, change) => {
        const other = Uint8Array.from(bytes, (byte, index) => (index === 8 + at ? byte ^ change : byte));
        expect(newKeyText('live', other).text).not.toBe(newKeyText('live', bytes).text);
      }),
    );
    const zero = newKeyText('live', new Uint8Array(keyRandomBytes)).text;
    const full = newKeyText('live', new Uint8Array(keyRandomBytes).fill(255)).text;
    expect([zero.length, full.length]).toEqual([76, 76]);
  });

  it('is known to be none when a character was changed, lost or added', () => {
    const { text } = newKeyText('live', randomBytes(keyRandomBytes));
    for (let at = 0; at < text.length; at += 1) {
      const changed = text.slice(0, at) + (text[at] === 'a' ? 'b' : 'a') + text.slice(at + 1);
      expect(parseKeyText(changed)).toBeNull();
      expect(parseKeyText(text.slice(0, at) + text.slice(at + 1))).toBeNull();
      expect(parseKeyText(`${text.slice(0, at)}a${text.slice(at)}`)).toBeNull();
    }
  });

  it.each(['', ' ', 'null', 'undefined', 'arg_', 'arg____', 'sk-abc', '\0', 'arg_live_0_0_0'])('is not %j', (text) => {
    expect(parseKeyText(text)).toBeNull();
  });

  it('is nothing endless', () => {
    const { text } = newKeyText('live', randomBytes(keyRandomBytes));
    expect(parseKeyText(text.repeat(100_000))).toBeNull();
  });
});

describe('what is kept of a key', () => {
  it('fits that key under that pepper alone', () => {
    const [one, other] = [randomBytes(keyRandomBytes), randomBytes(keyRandomBytes)].map(
      (bytes) => newKeyText('live', bytes).text,
    ) as [string, string];
    expect(sameMac(macOf(one, pepper), macOf(one, pepper))).toBe(true);
    expect(sameMac(macOf(one, pepper), macOf(other, pepper))).toBe(false);
    expect(sameMac(macOf(one, pepper), macOf(one, randomBytes(32)))).toBe(false);
  });

  it('never fits where there is nothing', () => {
    const empty = new Uint8Array();
    expect(sameMac(empty, empty)).toBe(false);
    expect(sameMac(macOf('x', pepper), empty)).toBe(false);
    expect(sameMac(empty, macOf('x', pepper))).toBe(false);
  });
});

describe('parsePepper', () => {
  it.each(['hex', 'base64', 'base64url'] as const)('reads 32 bytes in %s', (encoding) => {
    for (let round = 0; round < 100; round += 1) {
      const bytes = randomBytes(32);
      expect(Buffer.from(parsePepper(bytes.toString(encoding)))).toEqual(bytes);
    }
  });

  it.each(['', 'short', 'a'.repeat(42), 'z'.repeat(42), `${'a'.repeat(63)} `, randomBytes(31).toString('hex')])(
    'refuses %j, and does not repeat it',
    (text) => {
      expect(() => parsePepper(text)).toThrow(
        /^ARGOSY_KEY_PEPPER: needs at least 32 bytes in hex or base64; .*openssl/,
      );
    },
  );
});
