import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fingerprintOf, sealBundle, writeTar } from '#contracts';
import { InvalidInput } from '#errors';
import { contentsOf, signingKey } from '../../../test/support/sealing.ts';
import { writeReport } from './report-files.ts';
import { verifyReport } from './verify.ts';

const outDir = mkdtempSync(join(tmpdir(), 'argosy-cli-'));
afterAll(() => rmSync(outDir, { recursive: true }));

const files = sealBundle(contentsOf('run_1'), signingKey);
const folder = join(outDir, 'run_1');
const bundle = join(folder, 'bundle.tar');
const publicKey = createPublicKey(signingKey);
const sound = { sound: true, claims: 1, citations: 1, snapshots: 1 };

beforeAll(async () => {
  await writeReport('run_1', writeTar(files, 0), { outDir, jsonFile: join(outDir, 'deep', 'r.json') });
});

/** A copy of the report's folder, to harm. */
function copyOf(name: string): string {
  const copy = join(outDir, name);
  cpSync(folder, copy, { recursive: true });
  return copy;
}

describe('a written report', () => {
  it('is the bundle and what is in it, and the copy of report.json that was asked for', async () => {
    const inside = [...files.keys()].filter((path) => !path.includes('/'));
    expect(readdirSync(folder).sort()).toEqual([...inside, 'bundle.tar', 'snapshots'].sort());
    expect(readFileSync(join(outDir, 'deep', 'r.json'))).toEqual(readFileSync(join(folder, 'report.json')));
  });

  it.each(['notes.txt', 'snapshots/notes.txt', 'bundle.tar', 'node_modules/x'])(
    'is not written from a bundle that holds %s',
    async (alien) => {
      const tar = writeTar(new Map([...files, [alien, new Uint8Array()]]), 0);
      await expect(writeReport('run_9', tar, { outDir, jsonFile: null })).rejects.toThrow(`${alien}: does not belong`);
      expect(readdirSync(outDir)).not.toContain('run_9');
    },
  );

  it('is not written from a bundle without a report', async () => {
    const tar = writeTar(new Map([...files].filter(([path]) => path !== 'report.md')), 0);
    await expect(writeReport('run_8', tar, { outDir, jsonFile: null })).rejects.toThrow('report.md: is missing');
  });
});

describe('verifyReport', () => {
  it('takes the folder and the bundle', async () => {
    expect(await verifyReport(folder, undefined)).toMatchObject(sound);
    expect(await verifyReport(bundle, undefined)).toMatchObject(sound);
  });

  it('takes the trusted key as fingerprint, as public key and as private key', async () => {
    const pem = join(outDir, 'public.pem');
    const own = join(outDir, 'private.pem');
    writeFileSync(pem, publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(own, signingKey.export({ type: 'pkcs8', format: 'pem' }));
    for (const key of [fingerprintOf(publicKey), fingerprintOf(publicKey).toUpperCase(), pem, own]) {
      expect(await verifyReport(bundle, key)).toMatchObject(sound);
    }
    const foreign = fingerprintOf(generateKeyPairSync('ed25519').publicKey);
    expect(await verifyReport(bundle, foreign)).toMatchObject({
      sound: false,
      fault: expect.stringContaining(foreign),
    });
  });

  it.each([
    ['a file', 'notes.txt'],
    ['a folder', 'notes'],
    ['a snapshot', 'snapshots/notes.txt'],
  ])('names %s that was added to the folder', async (_what, name) => {
    const copy = copyOf(`added-${name.replace('/', '-')}`);
    if (name === 'notes') mkdirSync(join(copy, name));
    else writeFileSync(join(copy, name), 'x');
    expect(await verifyReport(copy, undefined)).toEqual({
      sound: false,
      fault: `${name} is not in the manifest: it was added after the sealing`,
    });
  });

  it('checks a folder of an older release, whatever else lies in it, and knows that nobody sealed it', async () => {
    const copy = copyOf('older');
    for (const name of [
      'manifest.json',
      'manifest.sig',
      'transcript.jsonl',
      'usage.json',
      'policy.json',
      'bundle.tar',
    ]) {
      rmSync(join(copy, name));
    }
    writeFileSync(join(copy, 'notes.txt'), 'x');
    expect(await verifyReport(copy, undefined)).toEqual({ ...sound, seal: null });
  });

  it.each([
    ['a folder without a report', () => outDir, /report\.json: cannot be read .*folder of one report.*bundle\.tar/],
    ['what is not there', () => join(outDir, 'none'), /none.report\.json: cannot be read/],
    [
      'a file that is no tar',
      () => join(folder, 'report.md'),
      /report\.md: cannot be read: is no whole tar.*folder of one/,
    ],
  ])('says of %s that it cannot be read', async (_what, path, fault) => {
    await expect(verifyReport(path(), undefined)).rejects.toThrow(InvalidInput);
    await expect(verifyReport(path(), undefined)).rejects.toThrow(fault);
  });

  it.each(['abc', join(outDir, 'run_1', 'report.md')])('needs a key that is one: %s', async (key) => {
    await expect(verifyReport(bundle, key)).rejects.toThrow(/^--key: needs the 64 digits of a fingerprint or/);
  });
});
