import { describe, expect, it } from '@jest/globals';
import { csvOf, wantsCsv } from './csv.ts';

describe('csvOf', () => {
  it('writes names and rows, quotes what would break a line, and leaves what is unknown empty', () => {
    const rows = [
      { run_id: 'r1', usd: 0.5, model: 'a,"b"', gpu_seconds: null },
      { run_id: null, usd: 1, model: 'x\ny', gpu_seconds: 2 },
    ];
    expect(csvOf(['run_id', 'usd', 'model', 'gpu_seconds'], rows)).toBe(
      'run_id,usd,model,gpu_seconds\r\nr1,0.5,"a,""b""",\r\n,1,"x\ny",2\r\n',
    );
    expect(csvOf(['usd'], rows, false)).toBe('0.5\r\n1\r\n');
  });
});

describe('wantsCsv', () => {
  it.each([
    ['text/csv', true],
    ['text/csv; q=0.5, application/json;q=0.4', true],
    ['TEXT/CSV', true],
    ['text/csv;q=0.4, application/json', false],
    ['text/csv;q=0', false],
    ['*/*', false],
    [undefined, false],
  ])('of Accept: %s is %s', (accept, wants) => {
    expect(wantsCsv(accept)).toBe(wants);
  });
});
