import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { describeConfig, readConfig } from '#platform';
import { objectSettingsOf, withAuthorities } from './settings.ts';

const whole = {
  ARGOSY_S3_ENDPOINT: 'https://s3.example.com',
  ARGOSY_S3_BUCKET: 'bytes',
  ARGOSY_S3_ACCESS_KEY_ID: 'id-canary',
  ARGOSY_S3_SECRET_ACCESS_KEY: 'secret-canary',
};

function problemsOf(env: Readonly<Record<string, string>>): readonly string[] {
  try {
    objectSettingsOf(readConfig(env));
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems.map(({ path, message }) => `${path} ${message}`);
    throw error;
  }
}

describe('the settings of an object store', () => {
  it('are none, or whole', () => {
    expect(objectSettingsOf(readConfig({}))).toBeNull();
    expect(objectSettingsOf(readConfig(whole))).toEqual({
      ...{ endpoint: 'https://s3.example.com', region: 'us-east-1', bucket: 'bytes', prefix: '', addressing: 'path' },
      ...{ accessKeyId: 'id-canary', secretAccessKey: 'secret-canary', caFile: null },
    });
  });

  it.each(Object.keys(whole))('name %s where it is missing', (name) => {
    expect(problemsOf({ ...whole, [name]: '' })).toEqual([
      `${name} is required where other ARGOSY_S3_ settings are set`,
    ]);
  });

  it.each([
    [{ ARGOSY_S3_BUCKET: 'Not_A_Bucket' }, /ARGOSY_S3_BUCKET is not the name of a bucket/],
    [{ ARGOSY_S3_PREFIX: 'no-slash' }, /ARGOSY_S3_PREFIX is not a path like argosy\//],
    [{ ARGOSY_S3_PREFIX: '../' }, /ARGOSY_S3_PREFIX is not a path/],
    [{ ARGOSY_S3_ENDPOINT: 's3.example.com' }, /ARGOSY_S3_ENDPOINT is not an address like https:/],
    [
      { ARGOSY_S3_ADDRESSING: 'host', ARGOSY_S3_ENDPOINT: 'http://10.1.2.3:9000' },
      /ARGOSY_S3_ADDRESSING needs a name and not the address 10\.1\.2\.3/,
    ],
    [{ ARGOSY_S3_ADDRESSING: 'host', ARGOSY_S3_ENDPOINT: 'http://[::1]:9000' }, /not the address ::1/],
  ])('refuse %j by its name', (change, message) => {
    expect(problemsOf({ ...whole, ...change }).join()).toMatch(message);
  });

  it('show no key', () => {
    expect(JSON.stringify(describeConfig(readConfig(whole)))).not.toContain('canary');
  });

  it('name the file of authorities that cannot be read', async () => {
    const settings = objectSettingsOf(readConfig({ ...whole, ARGOSY_S3_CA_FILE: '/not/there.pem' }));
    if (settings === null) throw new Error('These settings are whole.');
    await expect(withAuthorities(settings)).rejects.toThrow(/ARGOSY_S3_CA_FILE: .*not\/there\.pem/);
  });
});
