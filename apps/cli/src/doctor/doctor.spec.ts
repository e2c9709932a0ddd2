import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig } from '#platform';
import type { PostgresFacts } from '#runs';
import { silentProgress } from '../progress.ts';
import { doctor, refuseSettings, rolesFindings } from './doctor.ts';
import { examine, type Finding, fail, findingLines, ok, warn } from './finding.ts';
import { diskFinding, machineChecks, nodeFinding } from './machine.ts';
import { networkChecks } from './network.ts';
import { postgresFindings, storeChecks } from './stores.ts';

const statesOf = (findings: readonly Finding[]) => findings.map(({ about, state }) => [about, state]);

function terminalOf() {
  const printed: string[] = [];
  const print = (text: string): void => void printed.push(text);
  const terminal = { progress: silentProgress, print, interrupted: new AbortController().signal };
  return { terminal, told: () => printed.join('') };
}

describe('an examination', () => {
  it('looks at all at once, and one that takes too long or breaks fails alone', async () => {
    const stopped = Promise.withResolvers<boolean>();
    const never = async (signal: AbortSignal): Promise<Finding[]> => {
      signal.addEventListener('abort', () => stopped.resolve(signal.aborted));
      return await new Promise(() => undefined);
    };
    const broken = async (): Promise<Finding[]> => await Promise.reject(new Error('no such thing'));
    const fine = async (): Promise<Finding[]> => [ok('c', 'works')];
    const looks = [
      { about: 'a', look: never },
      { about: 'b', look: broken },
      { about: 'c', look: fine },
    ];
    const findings = await examine(looks, 50);
    expect(statesOf(findings)).toEqual([
      ['a', 'fail'],
      ['b', 'fail'],
      ['c', 'ok'],
    ]);
    expect(findings.map(({ says }) => says)).toEqual([expect.stringContaining('50 ms'), 'no such thing', 'works']);
    expect(await stopped.promise).toBe(true);
  });

  it('is told line by line, with what to do under what is wrong', () => {
    const text = findingLines([
      ok('disk', 'enough'),
      warn('gpu', 'asleep', 'Wake it.'),
      fail('redis policy', 'evicts'),
    ]);
    expect(text).toBe(
      [
        'ok    disk          enough',
        'WARN  gpu           asleep',
        '                    Wake it.',
        'FAIL  redis policy  evicts',
        '',
        '1 ok, 1 warn, 1 fail',
        '',
      ].join('\n'),
    );
  });
});

describe('what is found', () => {
  it.each([
    ['24.1.0', 'ok'],
    ['22.9.0', 'fail'],
  ])('of Node %s is %s', (version, state) => {
    expect(nodeFinding(version).state).toBe(state);
  });

  it.each([
    [10 * 2 ** 30, 'ok'],
    [2 ** 30, 'warn'],
    [2 ** 20, 'fail'],
  ])('of %d bytes free is %s', (bytes, state) => {
    expect(diskFinding(bytes, 'x').state).toBe(state);
  });

  const facts: PostgresFacts = { version: '17.2', schema: 18, known: 18, aheadMs: 3, missingRoles: [] };
  it.each<[string, Partial<PostgresFacts>, string, Finding['state']]>([
    ['as it should be', {}, 'schema', 'ok'],
    ['older than the release', { schema: 0 }, 'schema', 'warn'],
    ['newer than the release', { schema: 19 }, 'schema', 'fail'],
    ['without its roles', { missingRoles: ['argosy_fleet'] }, 'schema', 'fail'],
    ['whose clock is with ours', {}, 'clock', 'ok'],
    ['whose clock is behind', { aheadMs: -1_500 }, 'clock', 'warn'],
    ['whose clock is of another hour', { aheadMs: 3_600_000 }, 'clock', 'fail'],
  ])('of a database %s', (_what, changes, about, state) => {
    expect(statesOf(postgresFindings({ ...facts, ...changes }))).toContainEqual([about, state]);
  });

  it('of one store without the other is a fail, and of none an embedded process', async () => {
    const one = storeChecks(readConfig({ ARGOSY_REDIS_URL: 'redis://127.0.0.1:1' }), 50);
    expect((await examine(one.slice(0, 1), 5_000))[0]).toMatchObject({
      state: 'fail',
      says: expect.stringMatching(/DATABASE_URL/),
    });
    expect(statesOf(await examine(storeChecks(readConfig({}), 50), 5_000))).toEqual([['stores', 'ok']]);
  });

  it('of stores that do not answer is what to do, without a password', async () => {
    const config = readConfig({
      ARGOSY_REDIS_URL: 'redis://:hunter2@127.0.0.1:1',
      ARGOSY_DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/d',
      ...{ ARGOSY_S3_ENDPOINT: 'http://127.0.0.1:1', ARGOSY_S3_BUCKET: 'bytes' },
      ...{ ARGOSY_S3_ACCESS_KEY_ID: 'hunter2', ARGOSY_S3_SECRET_ACCESS_KEY: 'hunter2' },
    });
    const findings = await examine(storeChecks(config, 300), 60_000);
    expect(statesOf(findings)).toEqual([
      ['postgres', 'fail'],
      ['redis', 'fail'],
      ['objects', 'fail'],
    ]);
    expect(JSON.stringify(findings)).toMatch(/127\.0\.0\.1:1/);
    expect(JSON.stringify(findings)).not.toContain('hunter2');
  });

  it('of an object store is that it works, that it lacks settings, or that nobody asks it', async () => {
    const objects = new Map<string, Buffer>();
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const url = request.url ?? '';
      if (request.method === 'PUT') objects.set(url, Buffer.concat(chunks));
      response.end(request.method === 'GET' ? objects.get(url) : undefined);
      if (request.method === 'DELETE') objects.delete(url);
    });
    // A test that fails must end, too.
    server.unref().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const store = {
      ARGOSY_S3_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // what a listening server has
      ...{ ARGOSY_S3_BUCKET: 'bytes', ARGOSY_S3_ACCESS_KEY_ID: 'id' },
    };
    const find = async (settings: Readonly<Record<string, string>>) => {
      const findings = await examine(storeChecks(readConfig(settings), 5_000), 60_000);
      return findings.filter(({ about }) => about === 'objects').map(({ state, says }) => [state, says]);
    };
    const fleet = { ARGOSY_REDIS_URL: 'redis://127.0.0.1:1', ARGOSY_DATABASE_URL: 'postgres://127.0.0.1:1/d' };
    const whole = { ...store, ARGOSY_S3_SECRET_ACCESS_KEY: 'secret' };
    expect(await find({ ...fleet, ...whole })).toEqual([
      ['ok', expect.stringContaining('removed in bytes at 127.0.0.1')],
    ]);
    expect(objects.size).toBe(0);
    expect(await find({ ...fleet, ...store })).toEqual([
      ['fail', 'ARGOSY_S3_SECRET_ACCESS_KEY: is required where other ARGOSY_S3_ settings are set'],
    ]);
    expect(await find(fleet)).toEqual([['ok', expect.stringContaining('the database keeps')]]);
    expect(await find(whole)).toEqual([['warn', expect.stringContaining('asks no object store')]]);
    server.close();
  });

  it('of a fleet without keys, sealing and providers is what to set', () => {
    const stores = { ARGOSY_REDIS_URL: 'redis://q', ARGOSY_DATABASE_URL: 'postgres://d/d' };
    expect(statesOf(rolesFindings(readConfig(stores)))).toEqual([
      ['gateway', 'warn'],
      ['gateway', 'warn'],
      ['tool worker', 'warn'],
    ]);
    expect(statesOf(rolesFindings(readConfig({})))).toEqual([['roles', 'ok']]);
  });

  it('of this machine is told about each thing, whatever it has', async () => {
    const findings = await examine(machineChecks(readConfig({ ARGOSY_DATA_DIR: '/tmp/not/there/yet' })), 60_000);
    expect(findings.map(({ about }) => about)).toEqual(['node', 'disk', 'signing key', 'sandbox', 'chromium', 'gpu']);
    expect(findings.filter(({ state, advice }) => state === 'warn' && advice === null)).toEqual([]);
  });
});

describe('what may be reached', () => {
  let status = 200;
  const server = createServer((request, response) => {
    const known = request.headers.authorization === 'Bearer right';
    response.writeHead(known ? status : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ data: [{ id: 'big' }] }));
  });
  let port = 0;
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => void server.close());

  const lookAt = async (about: string, env: Record<string, string>) => {
    const checks = networkChecks(readConfig(env)).filter((check) => check.about === about);
    return await examine(checks, 60_000);
  };
  const model = (name: string, key = 'right') => ({
    ARGOSY_MODEL: `openai:http://127.0.0.1:${port}/v1#${name}`,
    ARGOSY_MODEL_API_KEY: key,
  });

  it('is a model whose server offers it, with the right key', async () => {
    expect(await lookAt('model', model('big'))).toMatchObject([{ state: 'ok', says: expect.stringMatching(/: big$/) }]);
    expect(await lookAt('model', model('small'))).toMatchObject([
      { state: 'fail', advice: expect.stringMatching(/does not offer small/) },
    ]);
    expect(await lookAt('model', model('big', 'wrong'))).toMatchObject([
      { state: 'fail', advice: expect.stringMatching(/MODEL_API_KEY/) },
    ]);
    status = 404;
    expect(await lookAt('model', model('big'))).toMatchObject([
      { state: 'ok', says: expect.stringMatching(/no list of models/) },
    ]);
  });

  it('is no identity provider where nobody listens, and nothing to look at where none is named', async () => {
    const login = {
      ...{ ARGOSY_OIDC_ISSUER: 'http://127.0.0.1:1', ARGOSY_OIDC_CLIENT_ID: 'argosy', ARGOSY_OIDC_TENANT: 'acme' },
      ...{ ARGOSY_PUBLIC_URL: 'http://127.0.0.1:2', ARGOSY_KEY_PEPPER: '0'.repeat(64) },
    };
    expect(await lookAt('login', login)).toMatchObject([
      {
        state: 'fail',
        says: expect.stringMatching(/127\.0\.0\.1:1/),
        advice: expect.stringMatching(/ARGOSY_OIDC_ISSUER/),
      },
    ]);
    expect(await lookAt('login', {})).toEqual([]);
  });

  it('is no model where nobody listens, by either protocol', async () => {
    const away = ['openai:http://127.0.0.1:1/v1#big', 'grpc:127.0.0.1:1'];
    for (const ARGOSY_MODEL of away)
      expect(await lookAt('model', { ARGOSY_MODEL })).toMatchObject([
        { state: 'fail', advice: expect.stringMatching(/does not answer/) },
      ]);
    expect(await lookAt('model', {})).toMatchObject([{ state: 'ok', says: expect.stringMatching(/extractive/) }]);
  });

  it('is not this machine, unless the operator let it', async () => {
    expect(statesOf(await lookAt('egress', {}))).toEqual([
      ['egress', 'ok'],
      ['egress', 'ok'],
    ]);
    const open = await lookAt('egress', { ARGOSY_EGRESS_ALLOW: '127.0.0.1:80' });
    expect(open).toMatchObject([
      {
        state: 'fail',
        says: expect.stringMatching(/127\.0\.0\.1/),
        advice: expect.stringMatching(/ARGOSY_EGRESS_ALLOW/),
      },
      { state: 'ok' },
    ]);
  });

  it('is no proxy where nobody listens', async () => {
    const findings = await lookAt('egress', { ARGOSY_EGRESS_URL: 'http://127.0.0.1:1' });
    expect(findings.at(-1)).toMatchObject({
      about: 'egress proxy',
      state: 'fail',
      advice: expect.stringMatching(/ARGOSY_EGRESS_URL/),
    });
  });
});

describe('argosy doctor', () => {
  it('ends with 1 where something fails, and tells all of it as JSON, secrets masked as they come', async () => {
    const config = readConfig({ ARGOSY_MODEL: 'grpc:127.0.0.1:1' });
    const { terminal, told } = terminalOf();
    const patient = { config, settings: { ARGOSY_MODEL_API_KEY: '(set)' }, server: 'embedded' };
    expect(await doctor(['--json'], patient, terminal)).toBe(1);
    const parsed = JSON.parse(told());
    expect(parsed).toMatchObject({ healthy: false, server: 'embedded', settings: { ARGOSY_MODEL_API_KEY: '(set)' } });
    const model = parsed.findings.find((one: Finding) => one.about === 'model');
    expect(model).toMatchObject({ state: 'fail', advice: expect.stringContaining('ARGOSY_MODEL') });
  });

  it('tells of each setting that cannot be read', () => {
    const { terminal, told } = terminalOf();
    expect(refuseSettings([], [{ path: 'ARGOSY_PORT', message: 'is no port' }], terminal)).toBe(1);
    expect(told()).toMatch(/^\nFAIL {2}ARGOSY_PORT {2}is no port\n.*\n\n0 ok, 0 warn, 1 fail\n$/);
  });
});
