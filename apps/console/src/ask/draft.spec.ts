import { describe, expect, it } from '@jest/globals';
import { type Draft, emptyDraft, readDraft, toBody } from './draft.ts';

describe('a draft', () => {
  it('asks for nothing that nobody chose', () => {
    expect(toBody({ ...emptyDraft, question: ' Why? ' })).toEqual({ body: { question: 'Why?' } });
  });

  it('becomes a request with everything that was chosen', () => {
    const draft: Draft = {
      ...{ ...emptyDraft, question: 'Why?', model: 'writer', steps: '5', minutes: '2', usd: '0.5', corpora: ['c_1'] },
      ...{ urls: 'https://e.org\n https://f.org ', web: 'no', allowed: 'e.org, f.org', citations: 'strict' },
      schema: '{"type":"object"}',
    };
    expect(toBody(draft)).toEqual({
      body: {
        question: 'Why?',
        model: 'writer',
        budget: { steps: 5, seconds: 120, usd: 0.5 },
        sources: {
          corpora: ['c_1'],
          urls: ['https://e.org', 'https://f.org'],
          web: false,
          allow_domains: ['e.org', 'f.org'],
        },
        citations: 'strict',
        output_schema: { type: 'object' },
      },
    });
  });

  it.each(['none', '-1', '0', 'NaN'])('with the limit %j is not sent', (steps) => {
    expect(toBody({ ...emptyDraft, question: 'Why?', steps })).toMatchObject({
      fault: expect.stringContaining('no limit'),
    });
  });

  it.each(['{', '[]', 'null', '"text"'])('with the schema %j is not sent', (schema) => {
    expect(toBody({ ...emptyDraft, question: 'Why?', schema })).toMatchObject({
      fault: expect.stringContaining('JSON'),
    });
  });

  it('is read again as it was kept', () => {
    const draft: Draft = { ...emptyDraft, question: 'Why?', corpora: ['c_1'], web: 'no', schema: '{' };
    expect(readDraft(JSON.stringify(draft))).toEqual(draft);
  });

  it.each(['', '{', 'null', '7', '[]', '{"question":7,"corpora":"c_1","other":"x"}', '{"corpora":[1]}'])(
    'is empty where %j was kept',
    (text) => {
      expect(readDraft(text)).toEqual(emptyDraft);
    },
  );
});
