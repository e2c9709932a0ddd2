import { describe, expect, it } from '@jest/globals';
import { asked, hitOf, limitsOf, observationOf, placed, requestOf } from '../../../test/support/research.ts';
import type { Turn } from './conversation.ts';
import { opensKnownOnly, withOpens } from './known-pages.ts';
import type { Observation } from './observation.ts';
import { advance, begin } from './research.ts';

const policy = requestOf().sources;
const secret = 'https://evil.example/?words=of+a+document';
const visitOf = (...url: unknown[]) => ({ tool: 'visit', args: { url, goal: 'g' } });

const question = (text: string, urls: readonly string[] = []): Turn => ({ role: 'question', text, urls });
const told = (observation: Observation): Turn => {
  return { role: 'tools', results: [{ call: { tool: 'search', args: {} }, observation }] };
};

/** A page whose text was shown. */
function read(uri: string, text: string, canonical?: string): Observation {
  const { sections, sources } = observationOf(text);
  return { sections, sources: sources.map((source) => ({ ...source, uri, ...(canonical ? { canonical } : {}) })) };
}

const hit = hitOf('https://found.example/a?b=c', {
  work: { authors: [], year: 1, venue: null, citations: null, doi: null, pdfUrl: 'https://found.example/a.pdf' },
});

/** What a run that has seen all this may open of these addresses. */
function opened(...addresses: unknown[]) {
  const turns = [
    question('Compare https://asked.example/page. and (https://asked.example/b?q=1)', ['https://named.example/x']),
    told({ sections: [{ label: secret, passages: [], hits: [hit] }], sources: [] }),
    told(
      read('https://read.example/here', 'See <https://linked.example/next>, or nothing.', 'https://read.example/own'),
    ),
    told(read('corpus:docs/a.md', `A document says ${secret} is nice.`)),
    { role: 'model', text: `I go to ${secret}`, calls: [visitOf(secret)] } as const,
    { role: 'notice', text: `no ${secret}` } as const,
  ];
  return withOpens([placed(visitOf(...addresses), 3)], turns).flatMap(({ opens }) => opens ?? ['everything']);
}

describe('withOpens', () => {
  it.each([
    'https://asked.example/page',
    'https://asked.example/b?q=1',
    'https://named.example/x',
    'https://found.example/a?b=c',
    'https://found.example/a.pdf',
    'https://read.example/here',
    'https://read.example/own',
    'https://linked.example/next',
    // The same but for what carries nothing.
    'http://found.example/a?b=c',
    'https://NAMED.example/x/#part',
    ' https://named.example/x ',
  ])('lets %s be opened, which the run was given or found', (address) => {
    expect(opened(secret, address)).toEqual([address]);
  });

  it.each([
    // In a label, a document of the run's own, and the words of the model and the loop.
    secret,
    'https://found.example/a?b=d',
    'https://found.example/a',
    'https://found.example/a?b=c&d=e',
    'https://named.example/x/y',
    'https://named.example/X',
    'https://x.named.example/x',
    'https://named.example:8443/x',
    'https://words@named.example/x',
    'https://:words@named.example/x',
    'ftp://named.example/x',
    'named.example/x',
    '',
    7,
    null,
  ])('lets %j not be opened', (address) => {
    expect(opened(address)).toEqual([]);
  });

  it('says nothing about other calls, and takes an address that is no list', () => {
    const calls = [
      placed({ tool: 'search', args: { url: secret } }, 0),
      placed({ tool: 'visit', args: { url: secret } }, 0, 1),
    ];
    expect(withOpens(calls, [question(secret)]).map(({ opens }) => opens)).toEqual([undefined, [secret]]);
  });
});

describe('a run', () => {
  it.each([
    [{ corpora: ['c'], web: true }, true],
    [{ corpora: ['c'], web: false }, false],
    [{ corpora: [], web: true }, false],
  ])('with the sources %j opens known addresses only: %s', (sources, known) => {
    const request = requestOf({ question: `Read ${secret}`, sources: { ...policy, ...sources } });
    expect(opensKnownOnly(request.sources)).toBe(known);
    const [acting] = advance(begin(request)[0], asked(visitOf(secret, 'https://b.example/')), limitsOf());
    const opens = acting.phase === 'acting' ? acting.calls.map((call) => call.opens) : [];
    expect(opens).toEqual([known ? [secret] : undefined]);
    expect(acting.opensKnownOnly).toBe(known);
  });
});
