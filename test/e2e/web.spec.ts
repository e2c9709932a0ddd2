/** Research that begins with nothing but a question: over a fleet, two search providers and the pages that these name. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { reportSchema } from '#contracts';
import { findChromium } from '#tools';
import { argosy, emptyWorkplace, endLeftovers, type Finished, type Running } from '../support/argosy.ts';
import { canRunFleet, describeFleet, startFleet } from '../support/local-fleet.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { specOf } from '../support/scripted-research.ts';
import { scriptedResearcher } from '../support/scripted-researcher.ts';
import { type SmallWeb, startSmallWeb, webFacts } from '../support/small-web.ts';

const cwd = emptyWorkplace();
endLeftovers();

const question = 'When was the lighthouse of Skerrow first lit, and who was its first keeper?';
const hasChromium = findChromium('auto') !== null;
const kinds = hasChromium ? (['static', 'scripted', 'pdf', 'wiki'] as const) : (['static', 'pdf', 'wiki'] as const);
const inBrowser = hasChromium ? it : it.skip;

let web: SmallWeb;
let model: ModelServer;
let fleet: Running;

/** @param allow whether the fleet may reach the servers of these tests, all of which are private */
async function start(allow: boolean): Promise<void> {
  const env = {
    ARGOSY_MODEL: specOf(model),
    ARGOSY_SEARCH_PROVIDERS: `searxng=${web.searxng},mediawiki=${web.mediawiki}`,
    ...(allow ? { ARGOSY_EGRESS_ALLOW: web.hosts.join(',') } : {}),
  };
  fleet = await startFleet({ cwd, args: ['--agents', '1', '--tools', '1'], env });
}

async function stop(): Promise<void> {
  fleet.kill('SIGINT');
  await fleet.finished;
}

if (canRunFleet) {
  beforeAll(async () => {
    web = await startSmallWeb();
    const facts = kinds.map((kind) => ({ says: `The ${kind} page tells it.`, proof: webFacts[kind] }));
    const visit = { visit: kinds.map((kind) => web.urls[kind]), goal: 'the lighthouse of Skerrow' };
    const plan = { lookUps: [{ search: ['lighthouse Skerrow'] }, visit], facts };
    model = await startModelServer(scriptedResearcher(plan));
    await start(true);
  }, 90_000);
  afterAll(async () => {
    // A fleet that never was ready leaves these open, and jest would wait for them.
    await model.close();
    await web.close();
    await stop();
  }, 60_000);
}

interface Researched extends Finished {
  readonly report: z.infer<typeof reportSchema>;
  /** What `argosy verify` says of the report's bundle. */
  readonly verified: string;
}

async function research(options: readonly string[] = []): Promise<Researched> {
  const args = ['research', question, '--json', 'r.json', '--out', 'out', ...options];
  const finished = await argosy(args, { cwd });
  const report = reportSchema.parse(JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')));
  const verified = await argosy(['verify', join('out', report.run_id, 'bundle.tar')], { cwd });
  return { ...finished, report, verified: verified.stdout };
}

/** The pages that the proven claims of a report quote. */
function quotedPages({ claims, sources }: Researched['report']): string[] {
  const uris = new Map(sources.map(({ id, uri }) => [id, uri]));
  const cited = claims.flatMap(({ citations }) => citations.map(({ source }) => uris.get(source) ?? source));
  return [...new Set(cited)].sort();
}

describeFleet('a question without documents, over a fleet with two search providers', () => {
  const pages = () => kinds.map((kind) => web.urls[kind]).sort();

  it('is answered by a model from pages that it found and read, each quoted word for word', async () => {
    const { report, exitCode, stderr, verified } = await research();
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/^the web is searched by /m),
    });
    expect(report).toMatchObject({ status: 'completed', model: 'scripted', degraded: [] });
    expect(report.claims.map(({ verdict }) => verdict)).toEqual(kinds.map(() => 'supported'));
    expect(quotedPages(report)).toEqual(pages());
    expect(verified).toMatch(new RegExp(`^sound: ${kinds.length} claims, ${kinds.length} citations`));
    const told = model.requests[1]?.body.messages.at(-1)?.content ?? '';
    const [hits = ''] = /<hits>[\s\S]*<\/hits>/.exec(told) ?? [];
    for (const url of pages()) expect(hits).toContain(`(${url})`);
    expect(hits).toContain('Source: searxng');
    expect(hits).toContain('Source: mediawiki');
    expect(report.attributions.map(({ provider }) => provider).sort()).toEqual(['mediawiki', 'searxng']);
  }, 60_000);

  it('is answered without a model by passages of the pages, and by no word of what a search said of them', async () => {
    const { report, exitCode, stderr, verified } = await research(['--model', 'extractive']);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(report).toMatchObject({ status: 'completed', model: null, degraded: ['no_llm'] });
    expect(quotedPages(report)).toEqual(pages());
    expect(report.answer).not.toMatch(/All about the lighthouse|A list\.|of the north/);
    expect(verified).toMatch(/^sound: /);
  }, 60_000);

  inBrowser(`quotes a page that only its script fills${hasChromium ? '' : ' [needs Chromium]'}`, () => {
    const report = reportSchema.parse(JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')));
    expect(report.answer).toContain(webFacts.scripted);
  });

  it('may name whom it asks, of those that there are', async () => {
    const args = ['research', question, '--model', 'extractive', '--provider'];
    const stranger = await argosy([...args, 'google'], { cwd });
    expect(stranger).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/"google".*known: searxng, mediawiki/),
    });
    const before = web.requests.length;
    const { report } = await research(['--model', 'extractive', '--provider', 'mediawiki']);
    expect(quotedPages(report)).toEqual([web.urls.wiki]);
    expect(web.requests.slice(before).filter((path) => path.includes('/search?'))).toEqual([]);
  }, 60_000);

  it('reaches nothing private where the operator allows nothing, and its report says why', async () => {
    await stop();
    const before = web.requests.length;
    await start(false);
    const run = await research(['--model', 'extractive']);
    expect(run).toMatchObject({
      exitCode: 5,
      stderr: expect.stringMatching(/^argosy: the web cannot be searched .*--corpus.*--url/m),
    });
    expect(run.report).toMatchObject({ status: 'failed', degraded: ['no_llm', 'no_web_search'], claims: [] });
    expect(run.report.incomplete_details?.message).toMatch(
      /^Nothing could be read\..*searxng: 127\.0\.0\.1:\d+ was not fetched/s,
    );
    for (const url of pages()) expect(run.stdout).not.toContain(url);
    expect(web.requests.slice(before)).toEqual([]);
  }, 120_000);
});
