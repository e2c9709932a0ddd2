import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { errorResource } from '#contracts';
import { jsonLogger } from '#platform';
import { fleetSettings } from '#runs';
import { runsOn, useStore } from '../../../test/support/embedded.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './index.ts';

const corpus = 'c_0123456789abcdef';
const model = { isLanguageModel: true, profile: 'tongyi-v1', contextTokens: null, prices: [] };
const offer = {
  models: new Map([['writer', model]]),
  defaultModel: 'writer',
  providers: [],
  knowsCorpus: (id: string) => id === corpus,
};
const good = { question: 'Why do leases end?', sources: { corpora: [corpus] } };
const quiet = jsonLogger('gateway', 'error', () => undefined);
const patience = { headersMs: 300, bodyMs: 300, requestMs: 1_000, silenceMs: 10_000 };

const stack = useStore(async (folder) => {
  const store = await runsOn(fleetSettings())(folder);
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, patience };
  const gateway = await Gateway.start(store.runs, offer, options, quiet);
  const close = async (): Promise<void> => {
    await gateway.stop();
    await store.close();
  };
  return { gateway, close };
});

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers: Headers;
  readonly details: readonly { readonly path: string; readonly message: string }[];
}

async function refusalOf(response: Response): Promise<Refusal> {
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const { error } = errorResource.parse(await response.json());
  expect(error.request_id).toMatch(/^req_[0-9a-f-]{36}$/);
  expect(error.message).not.toMatch(/\n\s+at |node_modules|\.ts:\d/);
  return { ...error, details: error.details ?? [], status: response.status, headers: response.headers };
}

async function send(path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Refusal> {
  return await refusalOf(await fetch(new URL(path, stack().gateway.url), init));
}

async function post(body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}): Promise<Refusal> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body };
  return await send('/v1/research', { ...init, duplex: 'half' });
}

/** What comes back for bytes that no client of ours would send, when the server has closed the connection. */
async function exchange(bytes: string): Promise<Refusal> {
  const { port } = new URL(stack().gateway.url);
  const answer = await new Promise<string>((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk;
    });
    socket.on('end', () => socket.end()).on('close', () => resolve(received));
    socket.on('error', (error) => (received === '' ? reject(error) : undefined));
  });
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
  const [line = '', ...lines] = head.split('\r\n');
  const headers = lines.map((one): [string, string] => [one.split(': ', 1)[0] ?? '', one.replace(/^[^:]*: /, '')]);
  return await refusalOf(new Response(body, { status: Number(line.split(' ')[1]), headers }));
}

const host = 'Host: 127.0.0.1\r\n';

describe('a body that cannot be used is refused: ', () => {
  it.each<[string, string | Uint8Array<ArrayBuffer>, Record<string, string>, number, string]>([
    ['nothing', '', {}, 422, 'validation_failed'],
    ['half of an object', '{"question": ', {}, 400, 'bad_request'],
    ['no UTF-8', Uint8Array.from([0x22, 0xff, 0xfe, 0x22]), {}, 400, 'bad_request'],
    ['an array a million deep', '['.repeat(1_000_000), {}, 400, 'bad_request'],
    ['closed arrays, half a million deep', '['.repeat(500_000) + ']'.repeat(500_000), {}, 422, 'validation_failed'],
    ['a key that is a prototype', '{"__proto__": {"question": "x"}}', {}, 400, 'bad_request'],
    ['plain text', 'hello', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'unsupported_media_type'],
    ['a file', 'x', { 'content-type': 'application/octet-stream' }, 422, 'validation_failed'],
    ['compressed JSON', '{}', { 'content-encoding': 'gzip' }, 415, 'unsupported_media_type'],
  ])('%s', async (_, body, headers, status, code) => {
    expect(await post(body, headers)).toMatchObject({ status, code });
  });

  it('100 MiB, without reading them', async () => {
    const mebibyte = new Uint8Array(1024 * 1024).fill(0x20);
    let sent = 0;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (stream) => {
        sent += 1;
        if (sent > 100) stream.close();
        else stream.enqueue(mebibyte);
      },
    });
    expect(await post(body)).toMatchObject({ status: 413, code: 'too_large' });
    expect(sent).toBeLessThan(50);
  });

  it('with every fault of it, the first hundred one by one', async () => {
    const metadata = Array.from({ length: 200 }, (_, i) => [`key${i}`, i]);
    const wrong = { question: 7, budget: { steps: 1e300, tokens: -1 }, metadata: Object.fromEntries(metadata) };
    const { status, details, message } = await post(JSON.stringify(wrong));
    expect(status).toBe(422);
    expect(details.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['question', 'budget.steps', 'budget.tokens', 'metadata.key0']),
    );
    expect(details.at(-1)?.message).toMatch(/^and \d+ more faults$/);
    expect(message.length).toBeLessThan(60_000);
  });

  it('with a short answer, however long the names are that nobody knows', async () => {
    const { details, message } = await post(JSON.stringify({ ...good, ['x'.repeat(500_000)]: 1 }));
    expect(details).toHaveLength(1);
    expect(message.length).toBeLessThan(1_000);
  });

  it.each<[string, object]>([
    ['in the question', { ...good, question: 'a\0b' }],
    ['in a value', { ...good, metadata: { key: '\0' } }],
    ['in a name', { ...good, metadata: { '\0': 'value' } }],
    ['in a URL', { ...good, sources: { urls: ['http://example.org/\0'] } }],
    ['in a schema', { ...good, output_schema: { type: 'object', title: '\0' } }],
    ['as half a surrogate pair', { ...good, question: 'a\ud800' }],
  ])('text that no database stores, %s', async (_, body) => {
    const { status, details } = await post(JSON.stringify(body));
    expect(status).toBe(422);
    expect(details[0]?.message).toMatch(/NUL character|Invalid key/);
  });

  it('a schema deeper than the stack', async () => {
    const deep = `${'{"not":'.repeat(20_000)}true${'}'.repeat(20_000)}`;
    const { details } = await post(`{"question":"x","output_schema":{"type":"object","properties":${deep}}}`);
    expect(details[0]).toMatchObject({ path: 'output_schema', message: expect.stringContaining('too deep') });
  });
});

describe('a path or query that cannot be used is refused: ', () => {
  it.each<[string, string, number, string]>([
    ['a route that is not there', '/v1/nothing', 404, 'not_found'],
    ['a bad percent-encoding', '/v1/research/%zz', 400, 'bad_request'],
    ['half a character', '/v1/research/%ff', 400, 'bad_request'],
    ['NUL as an id', '/v1/research/%00', 404, 'not_found'],
    ['NUL in the id of a stream', '/v1/research/a%00b/events', 404, 'not_found'],
    ['an id of 5,000 characters', `/v1/research/${'x'.repeat(5_000)}`, 404, 'not_found'],
    ['NUL as a cursor', '/v1/research?before=%00', 422, 'validation_failed'],
    ['a parameter that is not known', '/v1/research?limt=3', 422, 'validation_failed'],
    ['a parameter given twice', '/v1/research?limit=3&limit=4', 422, 'validation_failed'],
    ['a number that is none', '/v1/research?limit=0x10', 422, 'validation_failed'],
    ['an empty number', '/v1/research?limit=', 422, 'validation_failed'],
    ['a number beyond all', '/v1/research?limit=99999999999999999999999', 422, 'validation_failed'],
  ])('%s', async (_, path, status, code) => {
    expect(await send(path)).toMatchObject({ status, code });
  });

  it.each<[string, string, string]>([
    ['PUT', '/v1/research', 'GET, HEAD, POST'],
    ['PATCH', '/v1/research/run_x', 'DELETE, GET, HEAD'],
    ['OPTIONS', '/v1/research/run_x/cancel', 'POST'],
    ['PROPFIND', '/healthz', 'GET, HEAD'],
  ])('%s %s, with the methods that are there', async (method, path, allowed) => {
    const refusal = await send(path, { method });
    expect(refusal).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(refusal.headers.get('allow')).toBe(allowed);
  });
});

describe('bytes that become no request are refused in the same shape: ', () => {
  it.each<[string, string, number, string]>([
    ['no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
    [
      'two lengths',
      `POST /v1/research HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
      400,
      'bad_request',
    ],
    ['a flood of headers', `GET / HTTP/1.1\r\n${host}${'X-A: b\r\n'.repeat(5_000)}\r\n`, 431, 'headers_too_large'],
    ['one endless header', `GET / HTTP/1.1\r\n${host}X-A: ${'b'.repeat(100_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['no host', 'GET /v1/research HTTP/1.1\r\nConnection: close\r\n\r\n', 403, 'forbidden'],
    ['an odd expectation', `GET / HTTP/1.1\r\n${host}Expect: miracles\r\n\r\n`, 417, 'expectation_failed'],
    ['half of the headers', `GET / HTTP/1.1\r\n${host}X-A`, 408, 'request_timeout'],
    [
      'half of a body',
      `POST /v1/research HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
      408,
      'request_timeout',
    ],
  ])('%s', async (_, bytes, status, code) => {
    expect(await exchange(bytes)).toMatchObject({ status, code });
  });
});
