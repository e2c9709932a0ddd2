/** What every store that Argosy may be given has to do, held against whichever server there is. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import type { CheckSignature } from '../../../../test/support/object-server.ts';
import { type S3Settings, S3Store } from './s3.ts';
import { signedHeaders } from './signing.ts';

/** Keys and bucket of servers in tests; the endpoint is theirs to say. */
export const testSettings = {
  region: 'us-east-1',
  bucket: 'argosy-test',
  prefix: 'deep/er/',
  addressing: 'path',
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
} as const satisfies Omit<S3Settings, 'endpoint'>;

/** Signs once more what came, and compares. */
export const signatureFault: CheckSignature = ({ method, path, headers }, body) => {
  const { authorization = '', host = '', 'x-amz-date': stamp = '' } = headers;
  if (!authorization.includes(`Credential=${testSettings.accessKeyId}/`)) return 'InvalidAccessKeyId';
  if (method !== 'GET' && method !== 'PUT' && method !== 'DELETE') return 'MethodNotAllowed';
  const at = new Date(String(stamp).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (Math.abs(at.getTime() - Date.now()) > 900_000) return 'RequestTimeTooSkewed';
  const again = signedHeaders({ method, url: new URL(path, `http://${host}`), headers: {}, body }, testSettings, at);
  return again['authorization'] === authorization ? null : 'SignatureDoesNotMatch';
};

/** A server with an empty bucket of that name. */
export interface TestedServer {
  readonly settings: S3Settings;
  close(): Promise<void>;
}

export function describeServer(name: string, open: () => Promise<TestedServer>): void {
  describe(name, () => {
    let server: TestedServer;
    const stores: S3Store[] = [];
    const storeOf = (change: Partial<S3Settings> = {}): S3Store => {
      const store = new S3Store({ ...server.settings, ...change }, { retryMs: 1 });
      stores.push(store);
      return store;
    };
    beforeAll(async () => {
      server = await open();
    });
    afterAll(async () => {
      for (const store of stores) store.close();
      await server.close();
    });

    it('passes the check that a process makes when it starts', async () => {
      await storeOf().check();
      await storeOf({ prefix: '' }).check();
    });

    it.each([0, 1, 65_536, 3_000_000])(
      'gives %i bytes as they were put, under a name with odd characters',
      async (size) => {
        const store = storeOf();
        const bytes = randomBytes(size);
        const name = `a b+c&d=ü~'(!)*/${size}`;
        await store.put(name, bytes);
        expect(Buffer.from((await store.get(name, size)) ?? [-1]).equals(bytes)).toBe(true);
      },
    );

    it('says of what was never there, or was removed, that it is not there', async () => {
      const store = storeOf();
      expect(await store.get('never', 10)).toBeNull();
      await store.put('once', Buffer.from('once'));
      await store.remove('once');
      expect(await store.get('once', 10)).toBeNull();
      await store.remove('once');
    });

    it('writes, reads and removes many at once', async () => {
      const store = storeOf();
      const names = Array.from({ length: 40 }, (_none, n) => `many/${n}`);
      await Promise.all(names.map(async (name) => await store.put(name, Buffer.from(name))));
      const read = await Promise.all(names.map(async (name) => await store.get(name, 100)));
      expect(read.map((bytes) => Buffer.from(bytes ?? []).toString())).toEqual(names);
      await Promise.all(names.map(async (name) => await store.remove(name)));
      expect(await store.get('many/0', 100)).toBeNull();
    });

    it.each<[string, Partial<S3Settings>, RegExp]>([
      [
        'another bucket',
        { bucket: 'argosy-absent' },
        /NoSuchBucket.*Make the bucket argosy-absent, or correct ARGOSY_S3_BUCKET/,
      ],
      ['a wrong secret', { secretAccessKey: 'x'.repeat(40) }, /SignatureDoesNotMatch.*Correct ARGOSY_S3_ACCESS_KEY_ID/],
      [
        'an unknown key',
        { accessKeyId: 'AKIAUNKNOWN' },
        /(InvalidAccessKeyId|UserNotFound).*Correct ARGOSY_S3_ACCESS_KEY_ID/,
      ],
    ])('names what to mend where it is asked with %s, and shows no key', async (_name, change, message) => {
      const store = storeOf(change);
      for (const use of [() => store.check(), () => store.get('any', 10), () => store.remove('any')]) {
        const fault = await use().then(
          () => null,
          (error: unknown) => error,
        );
        expect(fault).toBeInstanceOf(Unavailable);
        expect(String(fault)).toMatch(message);
        const { accessKeyId, secretAccessKey } = { ...server.settings, ...change };
        expect(String(fault)).not.toContain(accessKeyId);
        expect(String(fault)).not.toContain(secretAccessKey);
      }
    });
  });
}
