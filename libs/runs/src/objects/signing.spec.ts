import { describe, expect, it } from '@jest/globals';
import { encodePath, signedHeaders, type Unsigned } from './signing.ts';

/** The examples that AWS publishes for S3: "Authenticating Requests: Using the Authorization Header", single chunk. */
const signer = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const at = new Date('2013-05-24T00:00:00.000Z');
const home = 'https://examplebucket.s3.amazonaws.com';
const nothing = new Uint8Array();
const get = (place: string, headers = {}): Unsigned => {
  return { method: 'GET', url: new URL(place, home), headers, body: nothing };
};

describe('the signature of a request', () => {
  it.each<[string, Unsigned, string]>([
    [
      'reads part of an object',
      get('/test.txt', { range: 'bytes=0-9' }),
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'writes an object whose name has an odd character',
      {
        method: 'PUT',
        url: new URL(encodePath('/test$file.text'), home),
        headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
        body: Buffer.from('Welcome to Amazon S3.'),
      },
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ],
    [
      'asks for a property of the bucket',
      get('/?lifecycle'),
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    ['lists objects', get('/?prefix=J&max-keys=2'), '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ])('is as AWS publishes it for one that %s', (_name, request, signature) => {
    const { authorization } = signedHeaders(request, signer, at);
    expect(authorization?.split('Signature=')[1]).toBe(signature);
  });

  it('names what it signs, and the hash of the body', () => {
    const headers = signedHeaders(get('/test.txt', { range: 'bytes=0-9' }), signer, at);
    expect(headers).toMatchObject({
      host: 'examplebucket.s3.amazonaws.com',
      range: 'bytes=0-9',
      'x-amz-date': '20130524T000000Z',
      'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      authorization: expect.stringContaining(
        'Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,',
      ),
    });
    expect(JSON.stringify(headers)).not.toContain(signer.secretAccessKey);
  });
});
