import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { openSigningKey } from './signing-key.ts';

const folder = mkdtempSync(join(tmpdir(), 'argosy-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, content: string | Buffer): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

const namedBy = async (file: string) =>
  await openSigningKey({ ARGOSY_SIGNING_KEY_FILE: file, ARGOSY_DATA_DIR: join(folder, 'unused') });

describe('the signing key', () => {
  it('is made in the data directory, for its owner alone, and stays', async () => {
    const config = { ARGOSY_SIGNING_KEY_FILE: undefined, ARGOSY_DATA_DIR: join(folder, 'deep', 'data') };
    const key = await openSigningKey(config);
    expect((await openSigningKey(config)).equals(key)).toBe(true);
    expect(readdirSync(config.ARGOSY_DATA_DIR)).toEqual(['signing-key.pem']);
    const file = join(config.ARGOSY_DATA_DIR, 'signing-key.pem');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(createPrivateKey(readFileSync(file)).asymmetricKeyType).toBe('ed25519');
  });

  it('is one and the same for all who make it at once', async () => {
    const config = { ARGOSY_SIGNING_KEY_FILE: undefined, ARGOSY_DATA_DIR: join(folder, 'race') };
    const keys = await Promise.all(Array.from({ length: 8 }, async () => await openSigningKey(config)));
    expect(new Set(keys.map((key) => createPublicKey(key).export({ type: 'spki', format: 'pem' }))).size).toBe(1);
    expect(readdirSync(config.ARGOSY_DATA_DIR)).toEqual(['signing-key.pem']);
  });

  it('never takes the place of what came there after the look', async () => {
    // To the look a link to nowhere is no key; to the making it is in the way, as another's new key would be.
    const config = { ARGOSY_SIGNING_KEY_FILE: undefined, ARGOSY_DATA_DIR: mkdtempSync(join(folder, 'taken-')) };
    symlinkSync('nowhere', join(config.ARGOSY_DATA_DIR, 'signing-key.pem'));
    await expect(openSigningKey(config)).rejects.toThrow(/signing-key\.pem cannot be made.*EEXIST/);
    expect(readdirSync(config.ARGOSY_DATA_DIR)).toEqual(['signing-key.pem']);
  });

  it('is the one that the operator named', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const file = fileWith('own.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }));
    expect((await namedBy(file)).equals(privateKey)).toBe(true);
  });

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { publicKey } = generateKeyPairSync('ed25519');
  it.each([
    ['is not there', 'none.pem', null, /none\.pem cannot be read.*ENOENT.*openssl genpkey/],
    ['holds no key', 'text.pem', 'no key', /text\.pem cannot be read as a private key in PEM/],
    [
      'holds a public key',
      'public.pem',
      publicKey.export({ type: 'spki', format: 'pem' }),
      /public\.pem cannot be read/,
    ],
    ['holds an RSA key', 'rsa.pem', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }), /kind rsa, not ed25519/],
  ])('is refused, and none is made, when the named file %s', async (_what, name, content, fault) => {
    const file = content === null ? join(folder, name) : fileWith(name, content);
    const before = readdirSync(folder);
    await expect(namedBy(file)).rejects.toThrow(InvalidInput);
    await expect(namedBy(file)).rejects.toThrow(fault);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('is refused when the data directory cannot be made', async () => {
    const config = { ARGOSY_SIGNING_KEY_FILE: undefined, ARGOSY_DATA_DIR: join(fileWith('plain', ''), 'data') };
    await expect(openSigningKey(config)).rejects.toThrow(/signing-key\.pem cannot be made.*ENOTDIR/);
  });
});
