import { createHash, createHmac } from 'node:crypto';

/** Who asks an object store, and where its keys hold. */
export interface Signer {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** A request as it will be sent, but for its signature. */
export interface Unsigned {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Its path must be percent-encoded as {@link encodePath} does: S3 signs it as it is. */
  readonly url: URL;
  /** Further headers, by lower-case name. All are signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const algorithm = 'AWS4-HMAC-SHA256';
const service = 's3';

/**
 * The headers to send a request with: those that it has, and those that prove who sends it and that nothing was changed.
 * Source: AWS Signature Version 4 for S3, "Signature calculations for the Authorization header", payload in one chunk.
 * @param at the time of the request, which the server compares with its own
 */
export function signedHeaders({ method, url, headers, body }: Unsigned, by: Signer, at: Date): Record<string, string> {
  const stamp = at.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const bodySha256 = hexSha256(body);
  const all: Record<string, string> = {
    ...headers,
    host: url.host,
    'x-amz-content-sha256': bodySha256,
    'x-amz-date': stamp,
  };
  const names = Object.keys(all).sort();
  const signed = names.join(';');
  const lines = names.map((name) => `${name}:${all[name]?.trim()}\n`).join('');
  const canonical = [method, url.pathname, canonicalQuery(url), lines, signed, bodySha256].join('\n');
  const scope = `${stamp.slice(0, 8)}/${by.region}/${service}/aws4_request`;
  const text = [algorithm, stamp, scope, hexSha256(canonical)].join('\n');
  const key = scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => mac(secret, part), `AWS4${by.secretAccessKey}`);
  const signature = mac(key, text).toString('hex');
  const authorization = `${algorithm} Credential=${by.accessKeyId}/${scope},SignedHeaders=${signed},Signature=${signature}`;
  return { ...all, authorization };
}

/** Percent-encodes all but what RFC 3986 leaves unreserved, and the slashes. */
export function encodePath(path: string): string {
  return path.split('/').map(encode).join('/');
}

function canonicalQuery({ searchParams }: URL): string {
  const pairs = [...searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return pairs.sort().join('&');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function mac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function hexSha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
