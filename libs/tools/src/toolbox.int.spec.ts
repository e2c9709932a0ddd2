import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { ToolKind } from '#domain';
import type { LogFields } from '#platform';
import { atEnd, serve } from '../../../test/support/web-servers.ts';
import { Corpora } from './corpus/corpora.ts';
import { arxiv } from './providers/arxiv.ts';
import type { SearchProvider } from './providers/provider.ts';
import { searxng } from './providers/searxng.ts';
import { contextWith } from './testing/context.contract.ts';
import { openEvidence, openPace } from './testing/web-search.contract.ts';
import { openToolbox, parseTools, toolSignatures } from './toolbox.ts';

interface Changes {
  readonly browser?: string;
  readonly kinds?: readonly ToolKind[];
}

async function opened(providers: readonly SearchProvider[], allow = '', deny = '', changes: Changes = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-toolbox-'));
  atEnd(async () => await rm(folder, { recursive: true }));
  const corpora = await Corpora.open(folder);
  atEnd(async () => await corpora.close());
  const logged: [string, LogFields | undefined][] = [];
  const logger = { log: (_: string, event: string, fields?: LogFields) => void logged.push([event, fields]) };
  const { browser = 'off', kinds } = changes;
  const out = { allow, deny, via: undefined, contact: 'ops@example.org', browser };
  const shared = { pace: openPace().pace, evidence: openEvidence().evidence };
  const toolbox = openToolbox({
    corpora,
    out,
    ...shared,
    providers,
    secrets: { read: async () => null },
    reader: null,
    logger,
    kinds,
  });
  atEnd(async () => await toolbox.close());
  return { tools: toolbox.tools, kinds: toolbox.kinds, logged };
}

describe('the tools of a process', () => {
  it.each([
    [[], ['search', 'visit']],
    [[searxng('http://127.0.0.1:1')], ['search', 'visit']],
    [
      [searxng('http://127.0.0.1:1'), arxiv()],
      ['search', 'scholar', 'visit'],
    ],
  ])('are those that its providers allow, and those that models are shown', async (providers, names) => {
    const { tools } = await opened(providers);
    expect(tools.map(({ signature }) => signature.name)).toEqual(names);
    expect(toolSignatures(providers.map(({ name }) => name))).toEqual(tools.map(({ signature }) => signature));
  });

  // Any program stands for Chromium, which starts with the first page that needs it.
  const hasBrowser = { browser: process.execPath };
  it.each<[string, Changes, string[], string[]]>([
    ['all that there can be', hasBrowser, ['search', 'visit', 'browser', 'scholar'], ['search', 'scholar', 'visit']],
    ['without a browser', {}, ['search', 'visit', 'scholar'], ['search', 'scholar', 'visit']],
    ['with one elsewhere', { browser: 'workers', kinds: ['visit'] }, ['visit'], ['visit']],
    ['what was asked for', { kinds: ['scholar', 'search'] }, ['scholar', 'search'], ['search', 'scholar']],
    ['visits that others hand over', { ...hasBrowser, kinds: ['browser'] }, ['browser'], ['visit']],
  ])('offer %s', async (_, changes, kinds, names) => {
    const made = await opened([arxiv()], '', '', changes);
    expect(made.kinds).toEqual(kinds);
    expect(made.tools.map(({ signature }) => signature.name)).toEqual(names);
  });

  it('offer no works where no provider knows any', async () => {
    expect((await opened([], '', '', { kinds: ['search', 'scholar'] })).kinds).toEqual(['search']);
  });

  it('are refused to a worker that is to have a browser and has none', async () => {
    for (const browser of ['off', 'workers']) {
      const made = opened([], '', '', { browser, kinds: ['browser'] });
      await expect(made).rejects.toThrow(/ARGOSY_TOOLS: names browser, and no Chromium is here/);
    }
  });

  it.each([
    ['python', /"python" is no kind of tool; write some of search, visit, browser, scholar/],
    ['search,', /"" is no kind/],
    ['search,search', /names a kind twice/],
  ])('are not named by %j', (text, words) => {
    expect(() => parseTools(text)).toThrow(words);
  });

  it('are named in any order, with spaces', () => {
    expect(parseTools('visit, search')).toEqual(['visit', 'search']);
  });

  it('say whom to write to, and tell an operator once of a provider that refuses us', async () => {
    const site = await serve((_, response) => response.writeHead(401).end());
    const { tools, logged } = await opened([searxng(site.at)], `127.0.0.1:${site.port}`);
    const query = ['lock', 'key'];
    const found = await tools[0]?.run({ query }, contextWith({ web: true }));
    expect(found?.observation.sections.map(({ fault }) => fault?.kind)).toEqual(['blocked', 'blocked']);
    expect(site.seen[0]?.headers['user-agent']).toBe('Argosy/0.1 (research agent; ops@example.org)');
    expect(logged).toEqual([
      ['search.provider.refused', { provider: 'searxng', message: expect.stringMatching(/^searxng answered 401/) }],
    ]);
  });

  it('reach no private provider that the operator has not allowed', async () => {
    const site = await serve((_, response) => response.end('{"results":[]}'));
    const { tools } = await opened([searxng(site.at)]);
    const found = await tools[0]?.run({ query: ['lock'] }, contextWith({ web: true }));
    expect(found?.observation.sections[0]?.fault?.kind).toBe('blocked');
    expect(site.seen).toEqual([]);
  });

  it('reach no public address that the operator has closed', async () => {
    const { tools } = await opened([], '', '93.184.216.0/24');
    const visit = tools.find(({ signature }) => signature.name === 'visit');
    const args = { url: ['http://93.184.216.34/'], goal: 'lock' };
    const found = await visit?.run(args, contextWith({ web: true }));
    expect(found?.observation.sections[0]?.fault?.kind).toBe('blocked');
  });
});
