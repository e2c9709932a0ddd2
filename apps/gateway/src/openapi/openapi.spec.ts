import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { jsonLogger } from '#platform';
import type { Runs } from '#runs';
import { ApiDocument } from '../../../../test/support/api-document.ts';
import { signingKey } from '../../../../test/support/sealing.ts';
import { Gateway } from '../gateway.ts';

const offer = { models: new Map(), defaultModel: 'none', providers: [], knowsCorpus: () => false };
const quiet = jsonLogger('gateway', 'error', () => undefined);

let gateway: Gateway;
let document: ApiDocument;

beforeAll(async () => {
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey };
  // No route that is asked here looks at a run.
  gateway = await Gateway.start({} as Runs, offer, options, quiet);
  document = await ApiDocument.of(gateway.url);
});
afterAll(async () => await gateway.stop());

/** What serves whoever asks: nobody has a key before they have logged in. */
const open = new Set([
  ...['/healthz', '/readyz', '/metrics', '/openapi.json', '/v1/login'].map((path) => `GET ${path}`),
  ...['POST /v1/login', 'POST /v1/login/finish'],
]);

describe('/openapi.json', () => {
  it('describes the routes that the server has, all of them and no others', () => {
    const served = gateway.routes.map((route) => route.replaceAll(/:(\w+)/g, '{$1}'));
    expect(document.routes.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(served.sort());
    expect(served.length).toBeGreaterThan(10);
  });

  it('is OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(JSON.parse(document.text))).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    const broken = document.text.replace('"summary":', '"sumary":');
    expect(await validator.validate(JSON.parse(broken))).toMatchObject({ valid: false });
  });

  it('names each operation once', () => {
    const ids = document.routes.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('describes every parameter of a path', () => {
    for (const { path, parameters } of document.routes) {
      const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => name);
      expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  it('has an example for every parameter and every body of JSON, and each fits', () => {
    for (const { method, path, parameters, requestBody, responses } of document.routes) {
      const bodies = [requestBody, ...Object.values(responses)].flatMap((one) => Object.entries(one?.content ?? {}));
      const json = bodies.filter(([type]) => type === 'application/json').map(([, body]) => body);
      for (const { schema, example } of [...parameters, ...json]) {
        const misfits = path === '/openapi.json' && !('$ref' in schema) ? [] : document.misfits(schema, example);
        expect([method, path, example, misfits]).toEqual([method, path, example, []]);
      }
    }
  });

  it('says of every route that is not open which scope it needs, and that it may be refused', () => {
    for (const { method, path, security, responses } of document.routes) {
      const isOpen = open.has(`${method} ${path}`);
      expect([path, security]).toEqual([path, isOpen ? [] : [{ key: [expect.stringMatching(/^\w+:\w+$/)] }]]);
      // Of those that are open, one may refuse whom it does not know.
      const refuses = !isOpen || path === '/v1/login/finish';
      expect([path, responses[401] !== undefined]).toEqual([path, !isOpen]);
      expect([path, responses[403] !== undefined]).toEqual([path, refuses]);
    }
  });

  it('is served to whoever may speak to the server, by GET alone', async () => {
    const response = await fetch(new URL('/openapi.json', gateway.url), { method: 'POST' });
    expect(response.status).toBe(405);
  });
});
