import { describe, expect, it } from '@jest/globals';
import { hitsOf, observationOf, requestOf, searchOf } from '../../../test/support/research.ts';
import type { Turn } from './conversation.ts';
import { attributionsOf, degradedOf } from './degraded.ts';
import type { Observation, ToolFault } from './observation.ts';

const online = requestOf({ degraded: ['no_llm'], sources: { ...requestOf().sources, web: true } });
const searched = (...observations: readonly Observation[]): Turn[] =>
  observations.map((observation) => ({ role: 'tools', results: [{ call: searchOf('q'), observation }] }));
const failed = (kind: ToolFault['kind']): Observation => {
  return { sections: [{ label: 'q', passages: [], fault: { kind, message: 'no' } }], sources: [] };
};

const documents = observationOf('A page.');
const withoutHits = { ...documents, sections: documents.sections.map((section) => ({ ...section, hits: [] })) };

describe('degradedOf', () => {
  it.each<[string, Turn[]]>([
    ['its providers only failed', searched(failed('transient'), failed('blocked'))],
    ['only its documents answered', searched(documents)],
  ])('says that the web was not searched where %s', (_what, turns) => {
    expect(degradedOf(online, turns)).toEqual(['no_llm', 'no_web_search']);
  });

  it.each<[string, Turn[]]>([
    ['a provider named pages', searched(failed('transient'), hitsOf('q', 'https://a.example/'))],
    ['a provider knew of none', searched(failed('transient'), failed('empty'))],
    ['a provider knew of none, and its documents answered', searched(withoutHits)],
    ['nothing was searched', []],
  ])('does not where %s', (_what, turns) => {
    expect(degradedOf(online, turns)).toEqual(['no_llm']);
  });

  it('adds nothing to a run that was never to search it', () => {
    const offline = requestOf({ degraded: ['no_web_search'] });
    expect(degradedOf(offline, searched(failed('transient')))).toEqual(['no_web_search']);
  });
});

describe('attributionsOf', () => {
  it('names each provider that found something once, in the order in which they came up', () => {
    const found = (attributions: Record<string, string>) => ({ ...hitsOf('q', 'https://a.example/'), attributions });
    const turns = searched(
      found({ wiki: 'CC BY-SA.', exa: 'By Exa.' }),
      documents,
      found({ brave: 'B.', wiki: 'CC BY-SA.' }),
    );
    expect(attributionsOf(turns)).toEqual([
      { provider: 'wiki', text: 'CC BY-SA.' },
      { provider: 'exa', text: 'By Exa.' },
      { provider: 'brave', text: 'B.' },
    ]);
    expect(attributionsOf(searched(documents))).toEqual([]);
  });
});
