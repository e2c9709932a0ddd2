import type { CustomFetch } from 'openid-client';

/** Documents, keys and tokens are some kilobytes. */
const mostBytes = 1024 * 1024;

/** As `fetch`, of answers up to 1 MiB. The operator named the issuer, so it may be anywhere. @throws TypeError beyond */
export const boundedFetch: CustomFetch = async (url, { body, signal, method, headers, redirect }) => {
  const form = body instanceof URLSearchParams || typeof body === 'string' ? body : null;
  const asked = { method, headers, redirect, body: form, ...(signal === undefined ? {} : { signal }) };
  // biome-ignore lint/style/noRestrictedGlobals: no request on behalf of a run
  const response = await fetch(url, asked);
  const bytes = response.body === null ? null : await readAll(response.body);
  return new Response(bytes, { status: response.status, headers: response.headers });
};

async function readAll(body: ReadableStream<Uint8Array>): Promise<Blob> {
  const parts: BlobPart[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > mostBytes) throw new TypeError(`the answer has more than ${mostBytes} bytes`);
    parts.push(new Uint8Array(part));
  }
  return new Blob(parts);
}
