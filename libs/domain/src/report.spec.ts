import { describe, expect, it } from '@jest/globals';
import { observationOf, requestOf, searchOf, sha256Of } from '../../../test/support/research.ts';
import { nothingSpent } from './budget.ts';
import { verifyAnswer } from './claims.ts';
import type { AnswerPart } from './conversation.ts';
import { buildReport, type Report, renderMarkdown, usageOf } from './report.ts';
import type { Ending } from './run-state.ts';
import { numberSources } from './sources.ts';

const text = 'A lock  expires\nafter 30 s.';
const known = numberSources([{ role: 'tools', results: [{ call: searchOf('q'), observation: observationOf(text) }] }]);
const draft: readonly AnswerPart[] = [
  { text: '## Locks', claim: false, citations: [] },
  { text: 'Locks\nend.', claim: true, citations: [{ source: 's1', quote: 'A lock expires after 30 s.' }] },
  { text: 'They never do.', claim: true, citations: [] },
];
const verified = verifyAnswer({ draft }, { sources: known, snapshots: new Map([[sha256Of(text), text]]) });
const spent = {
  ...nothingSpent,
  modelCalls: 3,
  toolCalls: 2,
  promptTokens: 900,
  completionTokens: 100,
  nanoUsd: 12_340_000,
};
const setting = { ...requestOf({ question: 'Why do\nlocks expire?', degraded: ['no_web_search'] }), runId: 'run-1' };
const concluded = (ending: Ending) => ({ ending, output: null, outputFaults: [] });
const reportWith = (ending: Ending): Report =>
  buildReport(setting, verified, concluded(ending), usageOf(spent, 3, 12.34567));

describe('buildReport', () => {
  it('has exactly the public fields', () => {
    expect(reportWith({ status: 'completed' })).toEqual({
      schema_version: 1,
      run_id: 'run-1',
      question: 'Why do\nlocks expire?',
      mode: 'react',
      status: 'completed',
      model: 'scripted',
      profile: 'tongyi-v1',
      degraded: ['no_web_search'],
      answer: '## Locks\n\nLocks\nend. [1]\n\nThey never do. [unsupported]',
      claims: [
        { text: 'Locks\nend.', verdict: 'supported', citations: [{ source: 's1', start: 0, end: 27, quote: text }] },
        { text: 'They never do.', verdict: 'unsupported', citations: [] },
      ],
      sources: [
        {
          id: 's1',
          uri: `https://example.org/${sha256Of(text).slice(0, 8)}`,
          title: 'A page',
          sha256: sha256Of(text),
          fetched_at: '2026-01-31T00:00:00.000Z',
          bytes: 27,
        },
      ],
      usage: {
        steps: 3,
        model_calls: 3,
        tool_calls: 2,
        prompt_tokens: 900,
        cached_tokens: 0,
        completion_tokens: 100,
        usd: 0.01234,
        seconds: 12.346,
      },
      attributions: [],
      incomplete_details: null,
      output: null,
      removed_claims: 0,
      output_citations: [],
      output_faults: [],
    });
  });

  it.each<[Ending, string]>([
    [{ status: 'incomplete', reason: 'max_steps' }, 'after 3 model replies; raise budget.steps'],
    [{ status: 'incomplete', reason: 'max_tokens' }, 'after 1000 tokens; raise budget.tokens'],
    [{ status: 'incomplete', reason: 'max_seconds' }, 'after 12.346 s; raise budget.seconds, or name a later deadline'],
    [{ status: 'incomplete', reason: 'max_usd' }, 'after 0.0123 USD; raise budget.usd'],
    [{ status: 'incomplete', reason: 'context' }, 'context window was full'],
    [{ status: 'cancelled' }, 'was cancelled'],
    [{ status: 'failed', message: 'The model server is gone.' }, 'The model server is gone.'],
  ])('says with the figure why the run fell short, and what to do: %j', (ending, message) => {
    const { status, incomplete_details: details } = reportWith(ending);
    expect(status).toBe(ending.status);
    expect(details?.message).toContain(message);
    expect(details?.reason).toBe(ending.status === 'incomplete' ? ending.reason : ending.status);
  });
});

describe('renderMarkdown', () => {
  it('prints answer, sources, quotations and how the report came to be', () => {
    const sha256 = sha256Of(text);
    expect(renderMarkdown(reportWith({ status: 'incomplete', reason: 'max_steps' }))).toBe(
      [
        '# Why do locks expire?',
        '',
        '**incomplete** (max_steps): The step budget ended the research after 3 model replies; raise budget.steps.',
        '',
        '## Locks',
        '',
        'Locks',
        'end. [1]',
        '',
        'They never do. [unsupported]',
        '',
        '## Sources',
        '',
        `[1] A page — <https://example.org/${sha256.slice(0, 8)}> (sha256 ${sha256.slice(0, 12)})`,
        '',
        '## Quotations',
        '',
        '- Locks end.',
        '  [1] “A lock expires after 30 s.”',
        '',
        '---',
        '',
        'Run run-1: written by scripted; 3 steps, 2 tool calls, 1000 tokens, 12.346 s; degraded: no_web_search.',
        '',
      ].join('\n'),
    );
  });

  it('credits the search providers that the run was helped by', () => {
    const attributions = [
      { provider: 'mediawiki', text: 'Wikipedia,\nCC BY-SA 4.0.' },
      { provider: 'openalex', text: 'OpenAlex, CC0.' },
    ];
    const report = { ...reportWith({ status: 'completed' }), attributions };
    const credits = 'Searched with mediawiki (Wikipedia, CC BY-SA 4.0.); openalex (OpenAlex, CC0.)';
    expect(renderMarkdown(report)).toContain(`\n---\n\n${credits}\n\nRun run-1: `);
  });

  it('is plain about a run that found nothing and had no model', () => {
    const empty = { answer: ' ', claims: [], removed: 0, fields: [], sources: [], faults: [] };
    const report = buildReport(
      { ...setting, model: null, degraded: [] },
      empty,
      concluded({ status: 'completed' }),
      usageOf(nothingSpent, 0, 0),
    );
    expect(renderMarkdown(report)).toBe(
      '# Why do locks expire?\n\nNo answer was found.\n\n---\n\nRun run-1: no language model took part; 0 steps, 0 tool calls, 0 tokens, 0 s.\n',
    );
  });

  it('prints no quotation twice that is its own claim', () => {
    const own = {
      text: 'a',
      verdict: 'supported',
      citations: [{ source: 's1', start: 0, end: 1, quote: 'a' }],
    } as const;
    expect(renderMarkdown({ ...reportWith({ status: 'completed' }), claims: [own] })).not.toContain('## Quotations');
  });
});
