import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { hasVersitygw, startVersitygw } from '../../../../scripts/servers/versitygw.mjs';
import { newAuthority } from '../../../../test/support/certificates.ts';
import { type ObjectServer, startObjectServer } from '../../../../test/support/object-server.ts';
import { describeServer, signatureFault, testSettings } from './s3.contract.ts';
import { homeOf, S3Store } from './s3.ts';

describeServer('an object store', async () => {
  const server = await startObjectServer([testSettings.bucket], signatureFault);
  return { settings: { ...testSettings, endpoint: server.url }, close: server.close };
});

if (hasVersitygw()) {
  describeServer('versitygw', async () => {
    const server = await startVersitygw(testSettings);
    return { settings: { ...testSettings, endpoint: server.url }, close: async () => await server.stop() };
  });
} else {
  it.skip('versitygw [needs it: `npm run test:k8s` builds it where Go is]', () => undefined);
}

it('trusts the authority that is named, and by that no server of another', async () => {
  const [ours, other] = [newAuthority(), newAuthority()];
  const server = await startObjectServer([testSettings.bucket], signatureFault, ours.certify(['localhost']));
  const settings = { ...testSettings, endpoint: server.url };
  const trusting = new S3Store({ ...settings, ca: ours.cert });
  await trusting.check();
  trusting.close();
  const wary = new S3Store({ ...settings, ca: other.cert }, { retryMs: 1 });
  await expect(wary.check()).rejects.toThrow(/cannot be used: .*certificate/);
  wary.close();
  await server.close();
});

it.each([
  ['path', 'https://s3.example.com', 'https://s3.example.com/bytes/'],
  ['path', 'http://10.1.2.3:9000/s3/', 'http://10.1.2.3:9000/s3/bytes/'],
  ['host', 'https://s3.example.com:9000', 'https://bytes.s3.example.com:9000/'],
] as const)('says the bucket by %s at %s', (addressing, endpoint, home) => {
  expect(homeOf({ ...testSettings, bucket: 'bytes', addressing, endpoint }).href).toBe(home);
});

describe('an object store that fails', () => {
  let server: ObjectServer;
  let store: S3Store;
  beforeAll(async () => {
    server = await startObjectServer([testSettings.bucket], signatureFault);
    store = new S3Store({ ...testSettings, endpoint: server.url }, { retryMs: 1 });
  });
  afterEach(() => {
    server.fault = null;
    server.next.length = 0;
    server.asked.length = 0;
  });
  afterAll(async () => {
    store.close();
    await server.close();
  });

  it('is asked again when it is busy, broken or in error, and then it is as if nothing had been', async () => {
    server.next.push({ status: 503, code: 'SlowDown' }, 'broken', { status: 500, code: 'InternalError' });
    await store.put('late', Buffer.from('late'));
    expect(server.asked).toHaveLength(4);
    server.next.push({ status: 429, code: 'TooManyRequests' });
    expect(Buffer.from((await store.get('late', 10)) ?? []).toString()).toBe('late');
  });

  it('is given up after four attempts', async () => {
    server.fault = { status: 503, code: 'SlowDown' };
    await expect(store.get('any', 10)).rejects.toThrow(/cannot be used: SlowDown \(status 503\) \(tried 4 times\)/);
    expect(server.asked).toHaveLength(4);
  });

  it('is not asked again for what asking again does not mend', async () => {
    server.fault = { status: 403, code: 'AccessDenied' };
    await expect(store.put('any', Buffer.from('x'))).rejects.toThrow(/AccessDenied.*put, get, list and delete objects/);
    server.fault = { status: 301, code: 'PermanentRedirect' };
    await expect(store.get('any', 10)).rejects.toThrow(/is elsewhere: correct ARGOSY_S3_ENDPOINT and ARGOSY_S3_REGION/);
    expect(server.asked).toHaveLength(2);
  });

  it('that is silent is given up when its time is over, or when who asks has none left', async () => {
    server.fault = 'silent';
    const hasty = new S3Store({ ...testSettings, endpoint: server.url }, { attemptMs: 20, retryMs: 1 });
    await expect(hasty.get('any', 10)).rejects.toThrow(/no answer in time \(tried 4 times\)/);
    await expect(store.remove('any', AbortSignal.timeout(20))).rejects.toThrow(/no answer in time \(tried once\)/);
    hasty.close();
  });

  it('that is not there is Unavailable, by its host', async () => {
    const gone = await startObjectServer([], signatureFault);
    await gone.close();
    const away = new S3Store({ ...testSettings, endpoint: gone.url }, { retryMs: 1 });
    const message = new RegExp(`The object store at ${new URL(gone.url).host} cannot be used: .*ECONNREFUSED`);
    await expect(away.check()).rejects.toThrow(message);
    await expect(away.check()).rejects.toThrow(Unavailable);
    away.close();
  });

  it('is not read on where an object is longer than it should be', async () => {
    await store.put('long', Buffer.alloc(500_000));
    expect((await store.get('long', 100_000))?.byteLength).toBe(100_001);
  });
});
