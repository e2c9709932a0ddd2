import { describe, expect, it } from '@jest/globals';
import { type ExplanationResource, explanationResource } from '#contracts';
import { explained } from './explain.ts';

const nothing = {
  ...{
    queue: 0,
    idle: 0,
    engine_queue: 0,
    prefill: 0,
    decode: 0,
    model: 0,
    tool_queue: 0,
    tools: 0,
    check: 0,
    commit: 0,
  },
};
const free = { prompt_tokens: 200, cached_tokens: 50, completion_tokens: 30 };

type Call = ExplanationResource['calls'][number];

const model: Call = {
  ...{ kind: 'model', step: 0, index: null, name: 'writer', what: '', tries: 1 },
  ...{ from_ms: 0, to_ms: 2_400, ms: 2_400, waited_ms: 0 },
};
const visit: Call = {
  ...{ kind: 'tool', step: 0, index: 0, name: 'visit', what: 'https://slow.example/', tries: 2 },
  ...{ from_ms: 2_400, to_ms: 4_800, ms: 2_400, waited_ms: 0 },
};

const explanation = (changes: Partial<ExplanationResource> = {}): ExplanationResource => ({
  ...{ run_id: 'run_1', status: 'completed', model: 'writer', wall_ms: 4_800 },
  ms: { ...nothing, prefill: 1_200, decode: 1_200, tools: 2_400 },
  segments: [
    { kind: 'prefill', step: 0, from_ms: 0, to_ms: 1_200 },
    { kind: 'decode', step: 0, from_ms: 1_200, to_ms: 2_400 },
    { kind: 'tools', step: 0, from_ms: 2_400, to_ms: 4_800 },
  ],
  ...{ calls: [model, visit], slowest: [visit, model], retries: [visit], faults: [], handovers: 0, put_off: 0 },
  ...{ steps: [], cost: { ...free, usd: 0.0123, nano_usd: 12_300_000, fees_nano_usd: 1_000_000, gpu_seconds: 1.5 } },
  ...{ cache: { prompt_tokens: 200, cached_tokens: 50 }, rebought: { model_calls: 0, prompt_tokens: 0 } },
  ...changes,
});

const lineWith = (text: string, part: string): string => text.split('\n').find((line) => line.includes(part)) ?? '';

describe('explained', () => {
  it('draws each call where it lies in the time of the run', () => {
    const text = explained(explanation());
    const [prefill, decode, tool] = ['░', '▓', '█'].map((glyph, i) => glyph.repeat(i === 2 ? 24 : 12));
    expect(lineWith(text, '  all ')).toContain(`|${prefill}${decode}${tool}|`);
    expect(lineWith(text, '0 writer')).toContain(`|${prefill}${decode}${' '.repeat(24)}|`);
    expect(lineWith(text, '0 visit')).toContain(`|${' '.repeat(24)}${tool}|`);
  });

  it('tells the shares of the time, the slowest calls first, and what was made again', () => {
    const text = explained(explanation());
    expect(lineWith(text, 'tools ')).toMatch(/2\.40 s +50\.0 %$/);
    expect(text.indexOf('visit https://slow.example/')).toBeLessThan(text.indexOf('2.40 s  writer'));
    expect(text).toContain('  2 times  visit https://slow.example/  (step 0)');
    expect(text).toContain('50 of 200 prompt tokens were cached (25.0 %)');
  });

  it('tells what it cost', () => {
    expect(explained(explanation())).toContain(
      '200 prompt and 30 generated tokens, 0.012300 USD (0.001000 of it fees), 1.5 GPU seconds',
    );
  });

  it('tells what was lost and bought again, apart from what was charged', () => {
    const text = explained(explanation({ rebought: { model_calls: 2, prompt_tokens: 900 }, handovers: 1 }));
    expect(text).toContain('2 replies were lost with a worker and bought again (about 900 prompt tokens), not charged');
  });

  it('lets no word of a page or a model steer the terminal', () => {
    const what = 'https://x.example/\u001b[2J\u202e';
    const text = explained(explanation({ slowest: [{ ...visit, what }], calls: [{ ...visit, what }] }));
    expect(['\u001b', '\u202e'].filter((mark) => text.includes(mark))).toEqual([]);
  });

  it('shows a run of no time at all, and the longest calls of one with very many', () => {
    const calls = Array.from({ length: 100 }, (_, index) => ({ ...visit, index, ms: index }));
    expect(explained(explanation({ wall_ms: 0, ms: nothing, segments: [] }))).toContain('run_1');
    expect(explained(explanation({ calls }))).toContain('and 60 shorter calls');
  });

  it('is told of what the API describes', () => {
    expect(explanationResource.parse(explanation())).toEqual(explanation());
  });
});
