import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { acceptedResource, runResource } from '#contracts';
import { readConfig } from '#platform';
import { placeEmptyCluster, temporaryFolder } from '../../../test/support/embedded.ts';
import { type ModelServer, type Player, startModelServer } from '../../../test/support/model-server.ts';
import { specOf } from '../../../test/support/scripted-research.ts';
import { isReading, scriptedResearcher } from '../../../test/support/scripted-researcher.ts';
import { type SmallWeb, startSmallWeb, webFacts } from '../../../test/support/small-web.ts';
import { Embedded } from './embedded.ts';

const workplace = temporaryFolder();
const open: (() => Promise<unknown>)[] = [];
let web: SmallWeb;

beforeAll(async () => {
  web = await startSmallWeb();
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
afterAll(async () => await web.close());

const usages = {
  step: { prompt: 3_000, completion: 50 },
  reading: { prompt: 300, completion: 20, cached: 5 },
};

/** Visits the page and quotes it. @param manner what happens to a reading in place of its text, by how many came before */
function researcher(manner: (reading: number) => { fault?: { kind: 'hang' } } = () => ({})): Player {
  const visit = { visit: [web.urls.static], goal: 'When was it first lit?' };
  const play = scriptedResearcher({ lookUps: [visit], facts: [{ says: 'It was lit.', proof: webFacts.static }] });
  let readings = 0;
  return (request, index) => {
    const turn = play(request, index);
    const said = typeof turn === 'string' ? { text: turn } : turn;
    if (!isReading(request)) return { ...said, usage: usages.step };
    readings += 1;
    return { ...said, usage: usages.reading, ...manner(readings - 1) };
  };
}

async function modelOf(player: Player): Promise<ModelServer> {
  const server = await startModelServer(player);
  open.push(async () => await server.close());
  return server;
}

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(workplace, 'w-'));
  placeEmptyCluster(folder);
  return folder;
}

async function start(folder: string, model: ModelServer, settings: Readonly<Record<string, string>> = {}) {
  const env = {
    ...{ ARGOSY_DATA_DIR: folder, ARGOSY_MODEL: specOf(model), ARGOSY_EGRESS_ALLOW: web.hosts.join(',') },
    ...{ ARGOSY_BROWSER: 'off', ARGOSY_SEARCH_PROVIDERS: 'none', ...settings },
  };
  return await Embedded.start({ config: readConfig(env), port: 0, model: null, writeLog: () => undefined });
}

async function begin({ url }: Embedded, budget: object = {}): Promise<string> {
  const body = JSON.stringify({ question: 'When was it lit?', sources: { urls: [web.urls.static] }, budget });
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
  return acceptedResource.parse(await (await fetch(new URL('/v1/research', url), init)).json()).id;
}

/** Waits for its end. @returns its report, and the data of its tool calls */
async function ended({ url }: Embedded, id: string) {
  const events = await (await fetch(new URL(`/v1/research/${id}/events`, url))).text();
  const { report } = runResource.parse(await (await fetch(new URL(`/v1/research/${id}`, url))).json());
  const data = [...events.matchAll(/^event: tool\.completed\ndata: (.*)$/gm)].map(([, json = '{}']) =>
    JSON.parse(json),
  );
  return { report, calls: data };
}

/** What a report must say that was paid for these. */
function paid(steps: number, readings: number) {
  return {
    steps,
    model_calls: steps + readings,
    prompt_tokens: steps * usages.step.prompt + readings * usages.reading.prompt,
    cached_tokens: readings * usages.reading.cached,
    completion_tokens: steps * usages.step.completion + readings * usages.reading.completion,
  };
}

const told = ({ requests }: ModelServer) =>
  requests
    .at(-1)
    ?.body.messages.map(({ content }) => content)
    .join('\n') ?? '';

describe('a run whose model reads the pages that it visits', () => {
  it('is shown what it copied out of a page, and its report counts what that cost', async () => {
    const model = await modelOf(researcher());
    const server = await start(await emptyFolder(), model);
    open.push(async () => await server.stop());
    const { report, calls } = await ended(server, await begin(server));
    expect(report).toMatchObject({ status: 'completed', claims: [{ verdict: 'supported' }], usage: paid(2, 1) });
    expect(calls).toMatchObject([{ passages: 1, reading: { calls: 1, promptTokens: 300 } }]);
    const [shown = ''] = /<passage source="s1">[\s\S]*?<\/passage>/.exec(told(model)) ?? [];
    expect(shown).toContain(`text:\n${webFacts.static}\n`);
    expect(told(model)).toContain('copied out of the page for this goal');
  });

  it('has it read again when the one that read it was stopped, and pays once', async () => {
    const model = await modelOf(researcher((reading) => (reading === 0 ? { fault: { kind: 'hang' } } : {})));
    const folder = await emptyFolder();
    const first = await start(folder, model);
    const id = await begin(first);
    await model.arrived(2);
    await first.stop();
    const second = await start(folder, model);
    open.push(async () => await second.stop());
    const { report } = await ended(second, id);
    expect(model.requests.filter(isReading)).toHaveLength(2);
    expect(report).toMatchObject({ status: 'completed', usage: paid(2, 1) });
  });

  it.each([
    ['the operator wants none read', { ARGOSY_READING: 'words' }, {}, /^/],
    ['the budget has no room for it', {}, { tokens: 17_000 }, /words of the goal alone: the run's budget has no room/],
  ])('chooses by words where %s', async (_, settings, budget, why) => {
    const model = await modelOf(researcher());
    const server = await start(await emptyFolder(), model, settings);
    open.push(async () => await server.stop());
    const { report } = await ended(server, await begin(server, budget));
    expect(model.requests.filter(isReading)).toEqual([]);
    expect(report).toMatchObject({ claims: [{ verdict: 'supported' }], usage: paid(2, 0) });
    expect(told(model)).toMatch(why);
    expect(told(model)).not.toContain('copied out of the page');
  });
});
