import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { InvalidInput } from '#errors';
import { type SealedSecret, type SecretPlace, seal, unseal } from './sealing.ts';
import type { SecretUnreadable, UnreadableReason } from './unreadable.ts';
import { type KeyWrapping, secretsKeyOf } from './wrapping.ts';

const key = (): string => randomBytes(32).toString('base64');
const wrappingOf = (...keys: string[]): KeyWrapping => {
  const wrapping = secretsKeyOf(keys.join(','));
  if (wrapping === null) throw new Error('a text was given');
  return wrapping;
};
const wrapping = wrappingOf(key());
const home: SecretPlace = { tenantId: 'acme', name: 'search.brave', version: '1' };

/** Why it does not open. */
async function refusal(
  sealed: SealedSecret,
  place = home,
  by: KeyWrapping | null = wrapping,
): Promise<SecretUnreadable> {
  return await unseal(sealed, place, by).then(
    (text) => Promise.reject(new Error(`it opened: ${text}`)),
    (error: SecretUnreadable) => error,
  );
}

const word = fc.string({ unit: 'binary', maxLength: 20 });
const places = fc.record({ tenantId: word, name: word, version: word });

describe('a secret', () => {
  it('opens at its place, whatever it and its place are called', async () => {
    const property = fc.asyncProperty(word, places, async (text, place) => {
      expect(await unseal(await seal(text, place, wrapping), place, wrapping)).toBe(text);
    });
    await fc.assert(property);
  });

  it('opens at no other place: not for another tenant, name or version', async () => {
    const property = fc.asyncProperty(places, places, async (place, other) => {
      fc.pre(JSON.stringify(place) !== JSON.stringify(other));
      expect((await refusal(await seal('text', place, wrapping), other)).reason).toBe('not-its-own');
    });
    await fc.assert(property);
    // Fields that are the same when they are written one behind the other.
    const sealed = await seal('text', { tenantId: 'a', name: 'bc', version: '1' }, wrapping);
    expect((await refusal(sealed, { tenantId: 'ab', name: 'c', version: '1' })).reason).toBe('not-its-own');
  });

  it('does not open when a bit was changed or bytes were cut off, of its text or of its key', async () => {
    const sealed = await seal('text of a secret', home, wrapping);
    const part = fc.constantFrom('sealed' as const, 'wrapped' as const);
    const changed = fc.asyncProperty(part, fc.nat(), fc.nat(7), async (which, at, bit) => {
      const bytes = Uint8Array.from(sealed[which]);
      const place = at % bytes.length;
      bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
      const expected: UnreadableReason = place === 0 ? 'damaged' : 'not-its-own';
      expect((await refusal({ ...sealed, [which]: bytes })).reason).toBe(expected);
    });
    await fc.assert(changed);
    const cut = fc.asyncProperty(part, fc.nat(), async (which, at) => {
      const bytes = sealed[which].subarray(0, at % sealed[which].length);
      const expected: UnreadableReason = bytes.length < 29 ? 'damaged' : 'not-its-own';
      expect((await refusal({ ...sealed, [which]: bytes })).reason).toBe(expected);
    });
    await fc.assert(cut);
  });

  it('does not open with the text of one secret under the key of another', async () => {
    const [one, other] = [await seal('one', home, wrapping), await seal('two', home, wrapping)];
    expect((await refusal({ ...one, sealed: other.sealed })).reason).toBe('not-its-own');
    expect((await refusal({ ...one, sealed: one.wrapped })).reason).toBe('not-its-own');
  });

  it('shows nothing of its text, and is sealed otherwise each time', async () => {
    const [one, other] = [await seal('canary7', home, wrapping), await seal('canary7', home, wrapping)];
    expect(Buffer.from(one.sealed).includes('canary7')).toBe(false);
    expect(Buffer.from(one.sealed).equals(Buffer.from(other.sealed))).toBe(false);
    expect(Buffer.from(one.wrapped).equals(Buffer.from(other.wrapped))).toBe(false);
  });

  it('says whose it is and what to do, where no key fits or none is there', async () => {
    const sealed = await seal('canary7', home, wrapping);
    const unknown = await refusal(sealed, home, wrappingOf(key(), key()));
    expect([unknown.reason, unknown.code, unknown.retryable]).toEqual(['unknown-key', 'secret_unreadable', false]);
    expect(unknown.message).toMatch(
      new RegExp(`^The secret search.brave of the tenant acme cannot be opened. .*${wrapping.currentId}.*Add that key`),
    );
    const none = await refusal(sealed, home, null);
    expect([none.reason, none.message]).toEqual(['no-key', expect.stringContaining('ARGOSY_SECRETS_KEY')]);
    for (const { message } of [unknown, none]) expect(message).not.toContain('canary7');
  });
});

describe('ARGOSY_SECRETS_KEY', () => {
  it('may hold several keys: the first seals, and all open', async () => {
    const [old, young] = [key(), key()];
    const before = wrappingOf(old);
    const sealed = await seal('text', home, before);
    const both = wrappingOf(young, old);
    expect(await unseal(sealed, home, both)).toBe('text');
    const anew = await seal('text', home, both);
    expect(anew.keyId).toBe(wrappingOf(young).currentId);
    expect((await refusal(anew, home, before)).reason).toBe('unknown-key');
  });

  it('is null where it is not set', () => {
    expect(secretsKeyOf(undefined)).toBeNull();
  });

  const twice = key();
  it.each([
    ['empty', '', /key 1 of 1 is none/],
    ['too short', randomBytes(31).toString('base64'), /key 1 of 1/],
    ['too long', randomBytes(33).toString('base64'), /key 1 of 1/],
    ['hex', randomBytes(32).toString('hex'), /key 1 of 1/],
    ['one good and one bad', `${key()},x`, /key 2 of 2/],
    ['the same twice', `${twice},${twice}`, /names a key twice/],
  ])('is refused when it is %s, and not repeated', (_how, text, expected) => {
    const told = (() => {
      try {
        return String(secretsKeyOf(text));
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidInput);
        return String(error);
      }
    })();
    expect(told).toMatch(expected);
    expect(told).toMatch(/ARGOSY_SECRETS_KEY: .*openssl rand -base64 32/);
    for (const one of text.split(',').filter((part) => part.length > 1)) expect(told).not.toContain(one);
  });
});
