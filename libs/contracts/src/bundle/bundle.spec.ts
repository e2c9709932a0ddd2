import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { type ResearchEvent, transcriptHash } from '#domain';
import { InvalidInput, InvalidState } from '#errors';
import { citedText, contentsOf, signingKey } from '../../../../test/support/sealing.ts';
import { isBundlePath, snapshotPath } from './contents.ts';
import { fingerprintOf, hashOf, manifestSchema, sealBundle } from './seal.ts';
import { type Files, readTar, writeTar } from './tar.ts';
import { verifyBundle } from './verify.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (files: Files, path: string): string => new TextDecoder().decode(files.get(path));
const snapshot = snapshotPath(hashOf(encode(citedText)));
const bundle = sealBundle(contentsOf(), signingKey);
const paths = [
  'manifest.json',
  'manifest.sig',
  'policy.json',
  'report.json',
  'report.md',
  snapshot,
  'transcript.jsonl',
  'usage.json',
];

function changed(path: string, change: (text: string) => string, files: Files = bundle): Files {
  return new Map([...files, [path, encode(change(textOf(files, path)))]]);
}

function without(...gone: readonly string[]): Files {
  return new Map([...bundle].filter(([path]) => !gone.includes(path)));
}

/** A bundle whose manifest lists whatever its files are, under a signature that holds. */
function resealed(files: Files, key: KeyObject = signingKey): Files {
  const manifest = manifestSchema.parse(JSON.parse(textOf(bundle, 'manifest.json')));
  const listed = manifest.files.map(({ path }) => {
    const bytes = files.get(path) ?? new Uint8Array();
    return { path, sha256: hashOf(bytes), bytes: bytes.byteLength };
  });
  const bytes = encode(JSON.stringify({ ...manifest, files: listed }));
  const signature = encode(sign(null, bytes, key).toString('base64'));
  return new Map([...files, ['manifest.json', bytes], ['manifest.sig', signature]]);
}

function faultIn(files: Files, trusted: string | null = null): string {
  const result = verifyBundle(files, trusted);
  return result.sound ? 'sound' : result.fault;
}

describe('a bundle', () => {
  it('holds the report, what it stands on, what happened, what it cost and what was allowed', () => {
    expect([...bundle.keys()].toSorted()).toEqual(paths);
    for (const path of paths) expect([path, isBundlePath(path)]).toEqual([path, true]);
    expect(JSON.parse(textOf(bundle, 'report.json'))).toEqual(contentsOf().report);
    expect(textOf(bundle, 'report.md')).toContain('# Why do locks expire?');
    expect(JSON.parse(textOf(bundle, 'usage.json'))).toMatchObject({
      model_calls: 1,
      lost: { model_calls: 1, prompt_tokens: 7 },
      prices: null,
    });
    expect(JSON.parse(textOf(bundle, 'policy.json'))).toMatchObject({
      model: 'scripted',
      profile: 'tongyi-v1',
      today: '2026-01-31',
      degraded: [],
      citations: 'mark',
      output_schema: null,
      sources: { web: false, allow_domains: [], deny_domains: [] },
      limits: { budget: { steps: 10 }, answer_tokens: 200 },
    });
    expect(textOf(bundle, 'transcript.jsonl')).toContain('"preface":"Be brief."');
    expect(textOf(bundle, 'policy.json')).not.toContain('preface');
    for (const path of paths) expect(textOf(bundle, path)).not.toContain('team');
  });

  it('is the same to the byte however often a run is sealed', () => {
    const [first, second] = [1, 2].map(() => writeTar(sealBundle(contentsOf(), signingKey), 5_250));
    expect(Buffer.from(second ?? []).equals(first ?? Buffer.alloc(0))).toBe(true);
  });

  it('has the same transcript for another run in which the same happened', () => {
    const other = sealBundle(contentsOf('run_2', { endedAt: '2030-01-01T00:00:00.000Z' }), signingKey);
    const [first, second] = [bundle, other].map((files) => transcriptHash(textOf(files, 'transcript.jsonl')));
    expect(second).toBe(first);
    expect(textOf(other, 'manifest.json')).not.toBe(textOf(bundle, 'manifest.json'));
  });

  it('is not made without a text that the report cites', () => {
    expect(() => sealBundle(contentsOf('run_1', { snapshots: new Map() }), signingKey)).toThrow(InvalidState);
  });
});

describe('verifyBundle', () => {
  const fingerprint = fingerprintOf(createPublicKey(signingKey));
  const seal = { fingerprint, createdAt: '2026-01-31T00:00:05.250Z' };

  it('finds a bundle sound, also after its way through a tar, and tells whose it is', () => {
    const sound = { sound: true, claims: 1, citations: 1, snapshots: 1, seal };
    expect(verifyBundle(bundle, null)).toEqual(sound);
    expect(verifyBundle(readTar(writeTar(bundle, 0)), fingerprint)).toEqual(sound);
  });

  it.each(paths.slice(2))('names %s when one byte of it was changed', (path) => {
    const fault = faultIn(changed(path, (text) => ` ${text.slice(1)}`));
    expect(fault).toContain(`${path} was changed`);
  });

  it.each(paths.slice(2))('names %s when it is missing', (path) => {
    expect(faultIn(without(path))).toContain(`${path} is missing`);
  });

  it('names the claims that rest on a snapshot that was changed', () => {
    expect(faultIn(changed(snapshot, (text) => `${text}!`))).toMatch(
      /^claim 1 "Silence costs the lease\.": snapshots\//,
    );
  });

  it('names what was added', () => {
    expect(faultIn(changed('notes.txt', () => 'x'))).toMatch(/^notes\.txt is not in the manifest/);
  });

  it.each([
    ['a manifest that was changed', changed('manifest.json', (text) => text.replace('run_1', 'run_2'))],
    [
      'a signature of something else',
      changed('manifest.sig', () => sign(null, encode('x'), signingKey).toString('base64')),
    ],
    ['no signature at all', changed('manifest.sig', () => 'nonsense')],
    ['the signature of a foreign key', resealed(bundle, generateKeyPairSync('ed25519').privateKey)],
  ])('refuses %s', (_what, files) => {
    expect(faultIn(files)).toMatch(/^manifest\.sig is no signature of manifest\.json/);
  });

  it.each([
    ['manifest.sig is missing', without('manifest.sig')],
    ['manifest.json is missing', without('manifest.json')],
    ['manifest.json is missing', without('manifest.json', 'manifest.sig')],
    ['manifest.json is no manifest', changed('manifest.json', () => '{')],
    ['manifest.json is no manifest', changed('manifest.json', (text) => text.replace('": 1,', '": 2,'))],
    [
      'manifest.json names a key that cannot be read',
      changed('manifest.json', (t) => t.replace(/"MC[^"]*"/, '"AAAA"')),
    ],
    ['manifest.json calls its key', changed('manifest.json', (text) => text.replace(fingerprint, '0'.repeat(64)))],
  ])('says: %s', (fault, files) => {
    expect(faultIn(files)).toContain(fault);
  });

  it('refuses a bundle of another key than the trusted one, however well it is sealed', () => {
    const foreign = generateKeyPairSync('ed25519').privateKey;
    const files = sealBundle(contentsOf(), foreign);
    expect(faultIn(files)).toBe('sound');
    expect(faultIn(files, fingerprint)).toContain(`sealed with the key ${fingerprintOf(createPublicKey(foreign))}`);
  });

  it.each([
    ['a quotation', 'loses its lease', 'keeps its lease', /^claim 1 ".*its quote is not what stands at/],
    [
      'the run',
      '"run_id": "run_1"',
      '"run_id": "run_2"',
      /^report\.json is of run run_2, manifest\.json of run run_1$/,
    ],
    ['the schema', '"schema_version": 1', '"schema_version": 9', /^report\.json: is not a report/],
  ])('believes no seal in place of a proof: %s', (_what, was, is, fault) => {
    expect(faultIn(resealed(changed('report.json', (text) => text.replace(was, is))))).toMatch(fault);
  });

  it('refuses a snapshot that was sealed under another name than its sha256', () => {
    expect(faultIn(resealed(changed(snapshot, (text) => `${text}!`)))).toContain('a name that is not its sha256');
  });

  describe('on the files of a report that nobody sealed', () => {
    const old = without('manifest.json', 'manifest.sig', 'transcript.jsonl', 'usage.json', 'policy.json');

    it('checks snapshots and citations, and says that there is no seal', () => {
      expect(verifyBundle(old, null)).toEqual({ sound: true, claims: 1, citations: 1, snapshots: 1, seal: null });
      expect(faultIn(changed(snapshot, (text) => `${text}!`, old))).toMatch(/^claim 1 ".*of source s1 was changed/);
    });

    it('refuses them when a certain key is asked for', () => {
      expect(faultIn(old, fingerprint)).toContain('nobody sealed these files');
    });

    it('takes them for no report when there is none', () => {
      expect(() => verifyBundle(new Map(), null)).toThrow(InvalidInput);
      expect(() =>
        verifyBundle(
          changed('report.json', () => '[]', old),
          null,
        ),
      ).toThrow(/report\.json: is not a report/);
    });
  });
});

it('keeps events of kinds that are yet to come', () => {
  const events = [{ kind: 'context-swept', kept: 3 } as unknown as ResearchEvent];
  const files = sealBundle(contentsOf('run_1', { events }), signingKey);
  expect(textOf(files, 'transcript.jsonl')).toContain('{"kept":3,"kind":"context-swept"}');
});
