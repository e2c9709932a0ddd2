import { describe, expect, it } from '@jest/globals';
import { answered, asked, observationOf, requestOf, searchOf } from '../../../test/support/research.ts';
import type { Observation } from './observation.ts';
import { upcastRequest } from './request.ts';
import type { ResearchEvent } from './run-state.ts';
import { transcriptHash, transcriptOf } from './transcript.ts';

const text = 'A text of a page.';
const call = searchOf('lease');

function returned(observation: Observation): ResearchEvent {
  return { kind: 'tools-returned', outcomes: [{ call, observation }] };
}

function linesOf(...events: readonly ResearchEvent[]): unknown[] {
  const transcript = transcriptOf(requestOf(), events);
  expect(transcript.endsWith('\n')).toBe(true);
  return transcript
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('a transcript', () => {
  it('begins with the question and all that was frozen with it, but for the labels of the caller', () => {
    const request = requestOf({ metadata: { team: 'a' }, echo: { form: 'responses' }, preface: 'Be brief.' });
    const { metadata, echo: _, ...frozen } = request;
    const { providers, ...sources } = frozen.sources;
    expect(JSON.parse(transcriptOf(request, []))).toEqual({ kind: 'question', ...frozen, sources });
    expect([metadata, providers]).toEqual([{ team: 'a' }, []]);
  });

  it('names the providers that were asked for, and of an older request is what its release wrote', () => {
    const { sources, ...others } = requestOf();
    const { providers: _, ...stored } = sources;
    const older = upcastRequest({ ...others, sources: stored });
    expect(transcriptOf(older, [])).not.toContain('providers');
    const newer = transcriptOf({ ...older, sources: { ...older.sources, providers: ['arxiv'] } }, []);
    expect(JSON.parse(newer)).toMatchObject({ sources: { providers: ['arxiv'] } });
  });

  it('tells nothing of when a reply came, how long it took and what it kept busy', () => {
    const at = '2026-01-31T12:00:00.000Z';
    const reading = { promptTokens: 9, cachedTokens: 0, completionTokens: 1, calls: 1 };
    const plain = [asked(call), returned({ ...observationOf(text), reading })];
    const [{ reply, ...replied }, back] = [
      asked(call),
      returned({ ...observationOf(text), reading: { ...reading, gpuMs: 5 } }),
    ];
    const timed = { ...reply, times: { ms: 900, tries: 2 }, usage: { ...reply.usage, gpuMs: 900 } };
    expect(linesOf({ ...replied, at, reply: timed }, { ...back, at } as ResearchEvent)).toEqual(linesOf(...plain));
  });

  it('has one line for each event, in order', () => {
    const events = [asked(call), returned(observationOf(text)), answered(), { kind: 'cancelled' } as const];
    const kinds = linesOf(...events).map((line) => (line as ResearchEvent).kind);
    expect(kinds).toEqual(['question', 'model-replied', 'tools-returned', 'model-replied', 'cancelled']);
  });

  it('names texts by their snapshots and places, and tells faults without their delays', () => {
    const found = observationOf(text);
    const fault = { kind: 'quota', message: 'Too many.', retryAfterMs: 1234 } as const;
    const [, line] = linesOf(
      returned({ ...found, sections: [...found.sections, { label: 'u', passages: [], fault }] }),
    );
    const [source] = found.sources;
    const { uri, title, sha256, bytes } = source ?? {};
    const observation = {
      sections: [
        { label: 'query', passages: [{ sha256, start: 0, end: text.length }] },
        { label: 'u', passages: [], fault: { kind: 'quota', message: 'Too many.' } },
      ],
      sources: [{ uri, title, sha256, bytes }],
    };
    expect(line).toEqual({ kind: 'tools-returned', outcomes: [{ call, observation }] });
  });

  it('is the same however the record ordered the names of its objects, and whenever its pages were fetched', () => {
    const found = observationOf(text);
    const later = { ...found, sources: found.sources.map((s) => ({ ...s, fetchedAt: '2030-01-01T00:00:00.000Z' })) };
    const first = transcriptOf(requestOf(), [
      asked({ tool: 'visit', args: { goal: 'b', url: ['a'] } }),
      returned(found),
    ]);
    const reordered = asked({ args: { url: ['a'], goal: 'b' }, tool: 'visit' });
    const second = transcriptOf(requestOf(), [reordered, returned(later)]);
    expect(second).toBe(first);
    expect(transcriptHash(second)).toBe(transcriptHash(first));
  });

  it('differs by any word of the model', () => {
    const [first, second] = ['a', 'b'].map((query) => transcriptOf(requestOf(), [asked(searchOf(query))]));
    expect(transcriptHash(first ?? '')).not.toBe(transcriptHash(second ?? ''));
  });

  it('takes up kinds of events that it knows nothing about', () => {
    const [, line] = linesOf({ kind: 'context-swept', kept: [{ b: 1, a: 2 }] } as unknown as ResearchEvent);
    expect(line).toEqual({ kind: 'context-swept', kept: [{ a: 2, b: 1 }] });
  });
});
