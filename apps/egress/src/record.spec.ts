import { describe, expect, it } from '@jest/globals';
import type { Exchange } from '#egress';
import { jsonLogger, type LogLevel } from '#platform';
import { recording } from './record.ts';

const exchange: Exchange = {
  ...{ form: 'absolute', outcome: 'done', asked: 'http://a.example/path?q=secret', detail: '' },
  ...{ sentBytes: 1, receivedBytes: 2 },
};

/** The line that an exchange leaves in a log of this level. */
function logged(part: Partial<Exchange>, level: LogLevel = 'info'): Record<string, unknown> | undefined {
  const lines: string[] = [];
  recording(jsonLogger('egress', level, (line) => lines.push(line)))({ ...exchange, ...part });
  return lines[0] === undefined ? undefined : JSON.parse(lines[0]);
}

describe('the record of an exchange', () => {
  it('tells the whole story of one that was blocked', () => {
    const detail = 'a.example:80 resolved to 10.0.0.1: private';
    expect(logged({ outcome: 'blocked', detail })).toMatchObject({
      ...{ level: 'info', event: 'exchange', form: 'absolute', outcome: 'blocked', detail },
      ...{ asked: 'http://a.example', sentBytes: 1, receivedBytes: 2 },
    });
  });

  it.each(['failed', 'too large', 'crowded'] as const)('is written for one that is %s', (outcome) => {
    expect(logged({ outcome })).toMatchObject({ outcome });
  });

  it.each(['done', 'left', 'stopped'] as const)('is only written in detail for one that is %s', (outcome) => {
    expect(logged({ outcome })).toBeUndefined();
    expect(logged({ outcome }, 'debug')).toMatchObject({ outcome });
  });

  it.each([
    ['a.example:443', 'a.example:443'],
    ['HTTP://a.example:8080/x', 'http://a.example:8080'],
    ['http://', ''],
    ['/metrics?x', '/metrics?x'],
  ])('says that %s was asked for as %s', (asked, shown) => {
    expect(logged({ outcome: 'failed', asked })).toMatchObject({ asked: shown });
  });
});
