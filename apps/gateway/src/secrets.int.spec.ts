import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { errorResource, secretList, secretResource } from '#contracts';
import { jsonLogger } from '#platform';
import { DataDirectory, openEmbedded, secretsKeyOf } from '#runs';
import { useStore } from '../../../test/support/embedded.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './index.ts';

const offer = { models: new Map(), defaultModel: 'none', providers: [], knowsCorpus: () => false };

/** Stands in every value that is sent, and never in an answer or in the log. */
const canary = 'canary-7f3a';

const stack = useStore(async (folder) => {
  const directory = DataDirectory.hold(folder);
  const embedded = await openEmbedded(directory);
  const store = embedded.secrets({ wrapping: secretsKeyOf(randomBytes(32).toString('base64')) });
  const keyless = embedded.secrets({ wrapping: null });
  const log: string[] = [];
  const names = ['search.brave', 'search.exa'];
  const start = async (secrets: typeof store) =>
    await Gateway.start(
      embedded.runs,
      offer,
      { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, secrets: { store: secrets, names } },
      jsonLogger('gateway', 'debug', (line) => log.push(line)),
    );
  const gateways = { gateway: await start(store), without: await start(keyless) };
  const close = async (): Promise<void> => {
    for (const one of Object.values(gateways)) await one.stop();
    await embedded.close();
    await directory.release();
  };
  return { ...gateways, store, log, close };
});

/** Answers as text, too: whatever came, the canary is not in it. */
async function ask(path: string, init: RequestInit = {}, { url } = stack().gateway) {
  const response = await fetch(new URL(path, url), init);
  const text = await response.text();
  expect(text + JSON.stringify([...response.headers])).not.toContain(canary);
  return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as unknown };
}
const put = async (name: string, body: unknown, at = stack().gateway) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return await ask(
    `/v1/secrets/${name}`,
    { method: 'PUT', body: text, headers: { 'content-type': 'application/json' } },
    at,
  );
};

describe('/v1/secrets', () => {
  it('keeps what is written, shows that it is there, and deletes it', async () => {
    const set = await put('search.brave', { value: canary });
    expect(set.status).toBe(200);
    const kept = secretResource.strict().parse(set.body);
    expect(kept).toMatchObject({ name: 'search.brave', last_used_at: null });
    const listed = await ask('/v1/secrets');
    expect(secretList.parse(listed.body)).toEqual({ data: [kept] });
    expect(await stack().store.read('local', 'search.brave')).toBe(canary);
    expect((await ask('/v1/secrets/search.brave', { method: 'DELETE' })).status).toBe(204);
    expect((await ask('/v1/secrets')).body).toEqual({ data: [] });
    expect((await ask('/v1/secrets/search.brave', { method: 'DELETE' })).status).toBe(404);
  });

  it('has no way to read one', async () => {
    await put('search.exa', { value: canary });
    expect((await ask('/v1/secrets/search.exa')).status).toBe(405);
    await ask('/v1/secrets/search.exa', { method: 'DELETE' });
  });

  it.each([
    ['an unknown name', 'search.google', { value: canary }, 422, /^name: .*known are search\.brave, search\.exa$/],
    ['a secret as a name', canary, { value: canary }, 422, /^name: /],
    ['nothing', 'search.brave', {}, 422, /^value: /],
    ['an empty value', 'search.brave', { value: '' }, 422, /^value: is empty; .*delete/],
    ['a line break', 'search.brave', { value: `${canary}\n` }, 422, /^value: holds spaces, line breaks/],
    ['a long value', 'search.brave', { value: canary.repeat(400) }, 422, /^value: has more than 4,096/],
    ['a number', 'search.brave', { value: 7 }, 422, /^value: /],
    ['another field', 'search.brave', { value: canary, expires: 1 }, 422, /expires/],
    ['broken JSON', 'search.brave', `{"value":"${canary}`, 400, /JSON/],
    ['bare text', 'search.brave', canary, 400, /JSON/],
  ])('refuses %s, and repeats none of it', async (_what, name, body, status, message) => {
    const refused = await put(name, body);
    expect(refused.status).toBe(status);
    expect(errorResource.parse(refused.body).error.message).toMatch(message);
    expect((await ask('/v1/secrets')).body).toEqual({ data: [] });
  });

  it('keeps nothing where nothing is there to seal it with, and says what to set', async () => {
    const refused = await put('search.brave', { value: canary }, stack().without);
    expect(refused.status).toBe(409);
    expect(errorResource.parse(refused.body).error).toMatchObject({
      code: 'invalid_state',
      message: expect.stringMatching(/set ARGOSY_SECRETS_KEY.*openssl rand/),
    });
    expect((await ask('/v1/secrets', {}, stack().without)).body).toEqual({ data: [] });
  });

  it('writes no secret into the log', () => {
    expect(stack().log.filter((line) => line.includes(canary))).toEqual([]);
  });
});
