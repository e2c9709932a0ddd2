import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { argosy, emptyWorkplace, endLeftovers, type Running, serve, within, workplace } from '../support/argosy.ts';
import { writeFerryCorpus } from '../support/ferry-corpus.ts';
import { describeFleet, fleetFileOf, startFleet } from '../support/local-fleet.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { questionOf, specOf, thinkAndAnswer, thinkAndCall, toolResponsesIn } from '../support/scripted-research.ts';

const cwd = emptyWorkplace();
const corpus = writeFerryCorpus(cwd);
endLeftovers();

const root = join(import.meta.dirname, '..', '..');
const question = 'How often does the ferry leave Halloway?';
const quote = 'every ninety minutes';
const claim = 'The ferry ⛴️ leaves every hour and a half.';
const answer = `## Timetable 🚢\n\n${claim} [1]`;

/** The model never answers to this. */
const hold = 'Wait for me.';

let model: ModelServer;
beforeAll(async () => {
  model = await startModelServer((request) => {
    if (questionOf(request).includes(hold)) return { fault: { kind: 'hang' } };
    if (toolResponsesIn(request).length > 0) {
      return thinkAndAnswer(`## Timetable 🚢\n\n${claim} <cite source="s1">${quote}</cite>`);
    }
    return thinkAndCall('search', { query: ['ferry leaves Halloway every'] });
  });
});
afterAll(async () => await model.close());

interface Served {
  readonly url: string;
  readonly key: string;
  /** Id of the ferry's documents there. */
  readonly corpus: string;
}

/** Runs a listing of docs/api.md as it stands. @returns what it prints */
async function runListing(code: string, { url, key, corpus: id }: Served): Promise<string> {
  const { PATH = '' } = process.env;
  const env = { PATH, ARGOSY_URL: url, ARGOSY_API_KEY: key, CORPUS: id };
  // From here, so that it finds the client.
  const child = spawn(process.execPath, ['--input-type=module', '-'], { cwd: root, env, stdio: 'pipe' });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.end(code);
  const ended = new Promise((resolve) => child.once('close', resolve));
  const exitCode = await within(ended, () => `the listing has not ended:\n${stdout}\n${stderr}`);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  return stdout;
}

/** The listings of a page, by the words above each. */
function listings(page: string): [string, string][] {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  return [...text.matchAll(/^(\S.*):\n\n```js\n([\s\S]*?)```$/gm)].map(([, title = '', code = '']) => [title, code]);
}

/** What must hold wherever it is asked. */
function speaks(served: () => Served): void {
  const sources = () => ({ corpora: [served().corpus] });
  const clientOf = () => new OpenAI({ baseURL: `${served().url}/v1`, apiKey: served().key, maxRetries: 0 });
  type Body = Parameters<OpenAI['responses']['create']>[0];
  const asked = (fields: object = {}) => ({ input: question, sources: sources(), ...fields }) as Body; // with fields of ours

  async function eventsOf(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
    const events: ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    return events;
  }

  it('answers a question with citations that mark what they prove', async () => {
    const response = await clientOf().responses.create({ ...asked(), stream: false });
    expect(response).toMatchObject({ status: 'completed', output_text: answer, model: 'scripted' });
    const message = response.output.find((item) => item.type === 'message');
    const [part] = message?.content ?? [];
    const [annotation] = part?.type === 'output_text' ? part.annotations : [];
    if (annotation?.type !== 'url_citation') throw new Error('nothing is cited');
    expect([...answer].slice(annotation.start_index, annotation.end_index).join('')).toBe(claim);
    expect(annotation.url).toMatch(/timetable\.md$/);
  }, 60_000);

  it('streams, and goes on behind every event as it went the first time', async () => {
    const client = clientOf();
    const events = await eventsOf(await client.responses.create({ ...asked(), stream: true }));
    expect(events.at(-1)?.type).toBe('response.completed');
    const [first] = events;
    const id = first?.type === 'response.created' ? first.response.id : '';
    for (const starting_after of events.keys()) {
      const rest = await eventsOf(await client.responses.retrieve(id, { stream: true, starting_after }));
      expect(rest).toEqual(events.slice(starting_after + 1));
    }
  }, 60_000);

  it('is put together by the helpers of the official client', async () => {
    const final = await clientOf()
      .responses.stream(asked() as never)
      .finalResponse();
    expect(final).toMatchObject({ status: 'completed', output_text: answer });
    const chat = { model: 'scripted', messages: [{ role: 'user', content: question }], sources: sources() } as never;
    const completion = await clientOf().chat.completions.stream(chat).finalChatCompletion();
    expect(completion.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: answer } });
  }, 60_000);

  it('cancels what runs in the background while the model writes', async () => {
    const client = clientOf();
    const arrived = model.arrived(model.requests.length + 1);
    const { id, status } = await client.responses.create({
      ...asked({ input: hold }),
      background: true,
      stream: false,
    });
    expect(status).toBe('queued');
    await within(arrived, () => 'the model was not asked');
    const stream = await client.responses.retrieve(id, { stream: true });
    expect(await client.responses.cancel(id)).toMatchObject({ id, status: 'cancelled' });
    expect((await eventsOf(stream)).at(-1)).toMatchObject({ response: { status: 'cancelled' } });
  }, 60_000);

  it.each(listings('api.md'))(
    'runs the listing of the documentation: %s',
    async (_, code) => {
      const printed = await runListing(code, served());
      if (!code.includes('/v1/secrets')) expect(printed).toContain(answer);
      else expect(printed).toMatch(/^search\.brave [0-9a-f]{16} .* never used\n204\n$/);
    },
    60_000,
  );
}

it('finds the listings of the documentation', () => {
  expect(listings('api.md')).toHaveLength(4);
});

describe('argosy serve', () => {
  let server: Awaited<ReturnType<typeof serve>>;
  let id = '';
  beforeAll(async () => {
    await workplace(cwd);
    const env = { ARGOSY_MODEL: specOf(model), ARGOSY_SECRETS_KEY: randomBytes(32).toString('base64') };
    server = await serve({ cwd, env });
    await argosy(['start', question, '--corpus', corpus, '--quiet'], { cwd });
    const names = readdirSync(join(cwd, '.argosy', 'corpora'));
    id = names.flatMap((name) => /^c_\w+(?=\.sqlite$)/.exec(name) ?? [])[0] ?? '';
  }, 90_000);
  afterAll(async () => {
    server.kill('SIGTERM');
    await server.finished;
  });

  speaks(() => ({ url: server.url, key: 'none', corpus: id }));
});

describeFleet('npm run fleet', () => {
  const fleetFolder = emptyWorkplace();
  let fleet: Running | undefined;
  let served: Served = { url: '', key: '', corpus: '' };
  beforeAll(async () => {
    fleet = await startFleet({
      cwd: fleetFolder,
      args: ['--agents', '1', '--tools', '1'],
      env: { ARGOSY_MODEL: specOf(model) },
    });
    const { url, key } = JSON.parse(readFileSync(fleetFileOf(fleetFolder), 'utf8')) as { url: string; key: string };
    const { exitCode, stderr } = await argosy(['research', question, '--corpus', corpus], { cwd: fleetFolder });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const listed = await fetch(`${url}/v1/corpora`, { headers: { authorization: `Bearer ${key}` } });
    const { data } = (await listed.json()) as { data: { id: string }[] };
    served = { url, key, corpus: data[0]?.id ?? '' };
  }, 120_000);
  afterAll(async () => {
    fleet?.kill('SIGINT');
    await fleet?.finished;
  }, 60_000);

  speaks(() => served);

  it('refuses a client without a key in the form that it reads', async () => {
    const client = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    const refused = client.responses.create({ input: question, stream: false });
    await expect(refused).rejects.toMatchObject({ status: 401, code: 'invalid_api_key', type: 'authentication_error' });
  });
});
