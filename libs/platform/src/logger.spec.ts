import { describe, expect, it } from '@jest/globals';
import { jsonLogger, type LogFields, readableLine } from './logger.ts';

function linesOf(
  least: 'debug' | 'info' | 'warn',
  say: [level: 'debug' | 'info' | 'error', fields?: LogFields][],
): string[] {
  const lines: string[] = [];
  const logger = jsonLogger('gateway', least, (line) => lines.push(line));
  for (const [level, fields] of say) logger.log(level, 'said so', fields);
  return lines;
}

describe('a log', () => {
  it('has one line of JSON for each event of its level and above', () => {
    const lines = linesOf('info', [['debug'], ['info', { runId: 'r-1', ms: 5, code: undefined }], ['error']]);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { at: expect.any(String), level: 'info', role: 'gateway', event: 'said so', runId: 'r-1', ms: 5 },
      { at: expect.any(String), level: 'error', role: 'gateway', event: 'said so' },
    ]);
  });

  it('is words for a person, on one line, and nothing in it moves the cursor or plays another field', () => {
    const evil = 'a\n\u001b[2J level=info';
    const [line = '', ...more] = linesOf('info', [
      ['info', { runId: 'r-1', none: null, message: evil }],
      ['error', { ok: true }],
    ]);
    expect(readableLine(line)).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} gateway said so runId=r-1 message="a\\n\\u001b\[2J level=info"\n$/,
    );
    expect(readableLine(more[0] ?? '')).toMatch(/^[\d:.]+ ERROR gateway said so ok=true\n$/);
  });
});
