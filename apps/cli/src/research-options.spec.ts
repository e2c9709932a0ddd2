import { describe, expect, it } from '@jest/globals';
import { parseResearch } from './research-options.ts';

describe('parseResearch', () => {
  it('takes a question alone and leaves everything else to its defaults', () => {
    expect(parseResearch(['Why?'])).toEqual({
      question: 'Why?',
      corpora: [],
      body: { question: 'Why?', budget: {}, sources: {} },
      model: null,
      schemaFile: null,
      outDir: 'argosy-reports',
      jsonFile: null,
      quiet: false,
    });
  });

  it('takes every flag, before and after the question, repeated ones in order', () => {
    const line =
      '--corpus a --quiet Why? --corpus=b --url https://example.org/1 --url https://example.org/2 --mode react ' +
      '--max-steps 3 --max-seconds 1.5 --max-tokens 900 --max-usd 0.25 --allow-domain Example.org --deny-domain bad.example ' +
      '--web --provider arxiv --provider openalex --published-after 2024-01-01 --published-before 2024-12-31 ' +
      '--citations strict --deadline 2026-01-31T12:00:00+01:00 --schema s.json --model openai:http://127.0.0.1:8000/v1#m --out there --json r.json';
    expect(parseResearch(line.split(' '))).toEqual({
      question: 'Why?',
      corpora: ['a', 'b'],
      body: {
        question: 'Why?',
        mode: 'react',
        citations: 'strict',
        deadline: '2026-01-31T12:00:00+01:00',
        budget: { steps: 3, seconds: 1.5, tokens: 900, usd: 0.25 },
        sources: {
          urls: ['https://example.org/1', 'https://example.org/2'],
          web: true,
          providers: ['arxiv', 'openalex'],
          allow_domains: ['example.org'],
          deny_domains: ['bad.example'],
          published_after: '2024-01-01',
          published_before: '2024-12-31',
        },
      },
      model: { kind: 'openai', baseUrls: ['http://127.0.0.1:8000/v1'], model: 'm' },
      schemaFile: 's.json',
      outDir: 'there',
      jsonFile: 'r.json',
      quiet: true,
    });
  });

  it('takes a question that begins with a dash behind --', () => {
    expect(parseResearch(['--', '--why?']).question).toBe('--why?');
  });

  it.each<[readonly string[], RegExp]>([
    [[], /^question: missing: npm start -- "your question"$/],
    [['Why', 'not?'], /^question: put it in quotation marks; beside it stands "not\?"$/],
    [['  '], /^question: the question is empty/],
    [['Why?', '--corpus', ''], /^--corpus: the path is empty$/],
    [['Why?', '--max-steps', '1.5'], /^--max-steps: needs a whole number above 0$/],
    [['Why?', '--max-tokens', 'many'], /^--max-tokens: needs a whole number above 0$/],
    [['Why?', '--max-seconds', ''], /^--max-seconds: needs a number above 0$/],
    [['Why?', '--max-usd', '0'], /^--max-usd: needs a number above 0$/],
    [['Why?', '--max-steps', '99999'], /^--max-steps: .*10000/],
    [['Why?', '--mode', 'heavy'], /^--mode: /],
    [['Why?', '--url', 'http://ok.example', '--url', 'ftp://x'], /^--url: an absolute http/],
    [['Why?', '--allow-domain', 'https://x'], /^--allow-domain: a host name/],
    [['Why?', '--provider', ''], /^--provider: /],
    [['Why?', '--published-after', 'May'], /^--published-after: a day such as/],
    [['Why?', '--deadline', 'tomorrow'], /^--deadline: an instant with its offset/],
    [['Why?', '--model', 'gpt'], /"gpt" names no model/],
    [['Why?', '--colour'], /'--colour'.*\nKnown here: --corpus /],
  ])('refuses %j in terms of the command line', (args, message) => {
    expect(() => parseResearch(args)).toThrow(message);
  });

  it('lists all faults at once', () => {
    expect(() => parseResearch(['--max-steps', '0', '--max-usd', 'x'])).toThrow(
      /^question: missing.*\n--max-steps: .*\n--max-usd: .*$/,
    );
  });
});
