import { describe, expect, it } from '@jest/globals';
import { readOutput } from './output-reply.ts';

const output = { year: 1911 };

describe('readOutput', () => {
  it.each([
    ['bare', JSON.stringify({ output })],
    ['between white space', `\n ${JSON.stringify({ output })}\n`],
    ['in a code fence', `\`\`\`json\n${JSON.stringify({ output }, null, 2)}\n\`\`\``],
  ])('takes JSON %s', (_how, text) => {
    expect(readOutput(text)).toEqual({ output: { value: output, citations: {} } });
  });

  it('takes quotations by field', () => {
    const citations = { '/year': [{ source: 's1', quote: 'in 1911' }] };
    expect(readOutput(JSON.stringify({ output, citations }))).toEqual({ output: { value: output, citations } });
  });

  it('takes an empty list for no quotation', () => {
    expect(readOutput(JSON.stringify({ output, citations: { '/year': [] } }))).toEqual({
      output: { value: output, citations: {} },
    });
  });

  it.each<[string, string, RegExp]>([
    ['words around it', `Here it is: ${JSON.stringify({ output })}`, /not valid JSON/],
    ['JSON that ends early', '{"output": {', /not valid JSON/],
    ['an array', '[]', /must be one JSON object, but is an array/],
    ['no output', '{"citations": {}}', /"output" must be an object/],
    ['an output that is no object', '{"output": 3}', /"output" must be an object/],
    ['something beside it', JSON.stringify({ output, note: 'x' }), /"note" has no place/],
    ['citations that are no object', JSON.stringify({ output, citations: [] }), /"citations" must be an object/],
    [
      'a field without pointer',
      JSON.stringify({ output, citations: { year: [{ source: 's', quote: 'q' }] } }),
      /"year"/,
    ],
    ['a quote without source', JSON.stringify({ output, citations: { '/year': [{ quote: 'q' }] } }), /"\/year"/],
    ['nothing at all', '', /not valid JSON/],
  ])('says how to mend %s, and repairs nothing', (_what, text, why) => {
    const read = readOutput(text);
    if (!('problem' in read)) throw new Error('it was taken');
    expect(read.problem).toMatch(why);
    expect(read.problem).toContain('{"output": <the object>');
  });
});
