import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { describeConfig, readConfig, readFleetConfig } from './config.ts';

const stores = {
  ARGOSY_DATABASE_URL: 'postgres://user:secret@db:5432/argosy',
  ARGOSY_REDIS_URL: 'rediss://:secret@queue:6379',
};

function problemsOf(read: () => unknown): Map<string, string> {
  try {
    read();
  } catch (error) {
    if (error instanceof InvalidInput) return new Map(error.problems.map(({ path, message }) => [path, message]));
    throw error;
  }
  return new Map();
}

describe('readConfig', () => {
  it('needs no stores and is quiet where nothing is said', () => {
    expect(readConfig({})).toMatchObject({
      ARGOSY_LOG_LEVEL: 'warn',
      ARGOSY_LEASE_MS: 10_000,
      ARGOSY_GRACE_MS: 25_000,
    });
  });

  it('leaves alone what the scripts and the command line read', () => {
    expect(problemsOf(() => readConfig({ ARGOSY_URL: 'x', ARGOSY_API_KEY: 'x', ARGOSY_NO_INSTALL: '1' })).size).toBe(0);
  });
});

describe('readFleetConfig', () => {
  it('takes the addresses of the stores, and logs what a service does', () => {
    expect(readFleetConfig({ ...stores, ARGOSY_LOG_LEVEL: '' })).toMatchObject({ ...stores, ARGOSY_LOG_LEVEL: 'info' });
    expect(readFleetConfig({ ...stores, ARGOSY_LOG_LEVEL: 'error' }).ARGOSY_LOG_LEVEL).toBe('error');
  });

  it('lists what is missing together with what is wrong', () => {
    const problems = problemsOf(() => readFleetConfig({ ARGOSY_REDIS_URL: '', ARGOSY_LEASE_MS: '999', ARGOSY_X: '1' }));
    expect([...problems.keys()].sort()).toEqual(
      ['ARGOSY_DATABASE_URL', 'ARGOSY_LEASE_MS', 'ARGOSY_REDIS_URL', 'ARGOSY_X'].sort(),
    );
    expect(problems.get('ARGOSY_DATABASE_URL')).toMatch(/is required.*postgres:\/\//);
  });

  it.each([
    ['ARGOSY_DATABASE_URL', 'mysql://user:secret@db/argosy'],
    ['ARGOSY_DATABASE_URL', 'user:secret@db'],
    ['ARGOSY_REDIS_URL', 'http://:secret@queue'],
  ])('refuses another address in %s, saying nothing of its password', (name, value) => {
    const problems = problemsOf(() => readFleetConfig({ ...stores, [name]: value }));
    expect([...problems.keys()]).toEqual([name]);
    expect(problems.get(name)).toMatch(/is not an address like/);
    expect(problems.get(name)).not.toContain('secret');
  });

  it.each([
    ['ARGOSY_LEASE_MS', '999'],
    ['ARGOSY_LEASE_MS', '1000.5'],
    ['ARGOSY_GRACE_MS', '-1'],
    ['ARGOSY_GRACE_MS', '1e9'],
    ['ARGOSY_HEALTH_PORT', '65536'],
    ['ARGOSY_BRAVE_API_KEY', 'secret\n'],
    ['ARGOSY_CONTACT', 'me; evil\r\n'],
    ['ARGOSY_INFERENCE_SHARDS', 'shard-0'],
    ['ARGOSY_INFERENCE_SHARDS', 'local/0'],
    ['ARGOSY_INFERENCE_SHARDS', 'local/2,shard-0:50052'],
    ['ARGOSY_INFERENCE_SHARDS', 'shard-0:50052,,shard-1:50052'],
    ['ARGOSY_INFERENCE_SHARDS', 'shard-0:50052,shard-1:50052,shard-0:50052'],
    ['ARGOSY_INFERENCE_REDUNDANT', '-1'],
    ['ARGOSY_MODEL_PRICES', '1,2'],
    ['ARGOSY_MODEL_PRICES', '2026-07-01:1,2,3'],
    ['ARGOSY_MODEL_PRICES', '1,2,3;1,2,3'],
    ['ARGOSY_MODEL_PRICES', '1,2,3;2026-02-30:1,2,3'],
    ['ARGOSY_MODEL_PRICES', '1,2,3;2026-07-01:1,2,3;2026-07-01:1,2,4'],
    ['ARGOSY_TOOL_PRICES', 'search=1;2026-07-01:search'],
    ['ARGOSY_INFERENCE_WEIGHTS', 'acme'],
    ['ARGOSY_INFERENCE_WEIGHTS', 'acme=3,others=0'],
  ])('refuses %s=%s', (name, value) => {
    expect([...problemsOf(() => readFleetConfig({ ...stores, [name]: value })).keys()]).toEqual([name]);
  });
});

it('takes prices with the days from which they hold', () => {
  const prices = {
    ARGOSY_MODEL_PRICES: '1,0.1,4; 2026-07-01:1,0.1,3',
    ARGOSY_TOOL_PRICES: 'search=1;2026-07-01:search=2',
  };
  expect(readFleetConfig({ ...stores, ...prices })).toMatchObject(prices);
});

const keys = Object.fromEntries(
  ['MODEL', 'BRAVE', 'TAVILY', 'SERPER', 'EXA', 'OPENALEX'].map((name) => [`ARGOSY_${name}_API_KEY`, 'secret']),
);

it('shows of an address its host, and of a key that it is there', () => {
  const shown = describeConfig(readFleetConfig({ ...stores, ...keys }));
  expect(shown).toMatchObject({
    ARGOSY_DATABASE_URL: 'db:5432',
    ARGOSY_REDIS_URL: 'queue:6379',
    ...Object.fromEntries(Object.keys(keys).map((name) => [name, '(set)'])),
    ARGOSY_MODEL: '(not set)',
  });
  expect(JSON.stringify(shown)).not.toContain('secret');
});
