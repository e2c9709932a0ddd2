import { describe, expect, it } from '@jest/globals';
import type { ClientEvent } from './client.ts';
import { type Progress, plainProgress, RunProgress, terminalProgress } from './progress.ts';

function output(columns?: number): { written: string; columns?: number; write(text: string): void } {
  return {
    written: '',
    ...(columns === undefined ? {} : { columns }),
    write(text) {
      this.written += text;
    },
  };
}

describe('plainProgress', () => {
  it('writes a line for each status and note, without control characters', () => {
    const out = output();
    const progress = plainProgress(out, () => 0);
    progress.status('starting');
    progress.note('a note');
    progress.status('thinking');
    progress.end();
    expect(out.written).toBe('starting\na note\nthinking\n');
  });

  it('leaves out a status that only counts on, until two seconds have passed', () => {
    const out = output();
    let nowMs = 0;
    const progress = plainProgress(out, () => nowMs);
    for (const [at, text] of [
      [0, '1/9 files'],
      [1999, '2/9 files'],
      [2000, '3/9 files'],
      [2001, '4/9 files'],
    ] as const) {
      nowMs = at;
      progress.status(text);
    }
    progress.status('done');
    expect(out.written).toBe('1/9 files\n3/9 files\ndone\n');
  });
});

describe('terminalProgress', () => {
  it('rewrites one line, keeps notes, and leaves the line empty at its end', () => {
    const out = output(80);
    const progress = terminalProgress(out);
    progress.status('one');
    progress.note('kept');
    progress.status('two');
    progress.end();
    const clear = '\r\u001b[2K';
    expect(out.written).toBe(`${clear}one${clear}kept\n${clear}two${clear}`);
  });

  it('cuts a status to the width, so that it never wraps', () => {
    const out = output(30);
    terminalProgress(out).status('x'.repeat(100));
    expect(out.written.slice('\r\u001b[2K'.length)).toBe('x'.repeat(29));
  });
});

describe('RunProgress', () => {
  function shown(maxSteps: number | null, events: readonly [string, ClientEvent['data']][]): string[] {
    const lines: string[] = [];
    const keep: Progress = {
      status: (text) => void lines.push(text),
      note: (text) => void lines.push(`note:${text}`),
      end: () => undefined,
    };
    const progress = new RunProgress(keep, maxSteps);
    for (const [index, [type, data]] of events.entries()) progress.show({ id: index + 1, type, data });
    return lines;
  }

  it('tells phase, step, tool, sources found and tokens spent', () => {
    const usage = { promptTokens: 100, completionTokens: 20 };
    const lines = shown(5, [
      ['run.accepted', {}],
      ['step.started', { step: 0 }],
      ['model.completed', { step: 0, usage }],
      ['tool.started', { step: 0, tool: 'search', args: { query: ['a', 'b'] } }],
      ['tool.completed', { step: 0, tool: 'search', passages: 3, hits: 7, sources: ['u1', 'u2'], faults: [] }],
      ['step.started', { step: 1 }],
      ['tool.completed', { step: 1, tool: 'visit', passages: 1, hits: 0, sources: ['u2', 'u3'], faults: [] }],
      ['report.completed', { claims: 2 }],
    ]);
    expect(lines).toEqual([
      'accepted [step 1/5, 0 sources, 0 passages]',
      'thinking [step 1/5, 0 sources, 0 passages]',
      'search "a" "b" [step 1/5, 0 sources, 0 passages, 120 tokens]',
      'search done, 7 pages named [step 1/5, 2 sources, 3 passages, 120 tokens]',
      'thinking [step 2/5, 2 sources, 3 passages, 120 tokens]',
      'visit done [step 2/5, 3 sources, 4 passages, 120 tokens]',
      'report with 2 claims [step 2/5, 3 sources, 4 passages, 120 tokens]',
    ]);
  });

  it('notes the faults of a tool, except that it found nothing', () => {
    const faults = [
      { label: 'http://x/', kind: 'blocked', message: 'not allowed' },
      { label: 'words', kind: 'empty', message: 'nothing' },
    ];
    const lines = shown(null, [['tool.completed', { step: 0, tool: 'visit', passages: 0, sources: [], faults }]]);
    expect(lines).toEqual(['visit done [step 1, 0 sources, 0 passages]', 'note:  http://x/: not allowed']);
  });

  it('passes over events that it does not know, and deltas', () => {
    expect(
      shown(null, [
        ['delta', { text: 'x' }],
        ['something.new', {}],
      ]),
    ).toEqual([]);
  });

  it('tells what the loop does to keep a run on its way', () => {
    const told = shown(null, [
      ['context.compacted', { step: 4, folded_turns: 12, kept_passages: 3 }],
      ['loop.detected', { step: 4, action: 'nudge' }],
      ['loop.detected', { step: 5, action: 'answer' }],
      ['budget.warning', { step: 6, reason: 'max_tokens' }],
      ['answer.checked', { step: 6, supported: 1, unsupported: 2 }],
    ]);
    expect(told.map((line) => line.replace(/ \[.*/, ''))).toEqual([
      'context full: 12 turns folded, 3 passages kept',
      'going in circles: told so',
      'going in circles: the answer is demanded',
      'answering now: max_tokens',
      'answer checked: 2 claims without proof',
    ]);
  });

  it('shortens long arguments', () => {
    const [line = ''] = shown(null, [
      ['tool.started', { step: 0, tool: 'search', args: { query: ['x'.repeat(200)] } }],
    ]);
    expect(line).toMatch(/^search "x{86}\.\.\. \[/);
  });
});
