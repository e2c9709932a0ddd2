import { describe, expect, it } from '@jest/globals';
import { overBudget } from './budgets.ts';
import { productionSources } from './sources.ts';

/**
 * What may be larger than the budgets, and why: numerical kernels and tables, not logic. The key is the file, or the file
 * and the name of the function; the value is the reason.
 */
const exceptions: ReadonlyMap<string, string> = new Map<string, string>([]);

const file = (text: string) => ({ file: 'libs/x/src/x.ts', text });
const lines = (count: number, line = '') => `${line}\n`.repeat(count);

/** `libs/x/src/x.ts:12 name has ...` is excused by `libs/x/src/x.ts` and by `libs/x/src/x.ts name`. */
function excuses(key: string, finding: string): boolean {
  const [place = '', name = ''] = finding.replace(/:\d+ /, ' ').split(' ');
  return key === place || key === `${place} ${name}`;
}

describe('size budgets', () => {
  const findings = productionSources().flatMap(overBudget);

  it('hold for every file and function of apps and libs', () => {
    const unexcused = findings.filter((finding) => ![...exceptions.keys()].some((key) => excuses(key, finding)));
    expect(unexcused).toEqual([]);
  });

  it('have no exception that is no longer needed', () => {
    const idle = [...exceptions.keys()].filter((key) => !findings.some((finding) => excuses(key, finding)));
    expect(idle).toEqual([]);
  });

  it('find a file of 301 lines and leave one of 300', () => {
    expect(overBudget(file(lines(301)))).toEqual(['libs/x/src/x.ts has 301 lines']);
    expect(overBudget(file(lines(300)))).toEqual([]);
  });

  it('find a function of 41 lines, also a method and an arrow, and leave one of 40', () => {
    const body = (count: number) => `{\n${lines(count - 2, '  0;')}}`;
    expect(overBudget(file(`// é\nfunction long() ${body(41)}\n`))).toEqual(['libs/x/src/x.ts:2 long has 41 lines']);
    expect(overBudget(file(`function fits() ${body(40)}\n`))).toEqual([]);
    expect(overBudget(file(`class A {\nlong() ${body(41)}\n}\n`))).toEqual(['libs/x/src/x.ts:2 long has 41 lines']);
    expect(overBudget(file(`const f = () => ${body(41)};\n`))).toHaveLength(1);
  });

  it('find a fifth parameter, of a method and a constructor too', () => {
    expect(overBudget(file('function f(a, b, c, d, e) {}'))).toEqual(['libs/x/src/x.ts:1 f takes 5 parameters']);
    expect(overBudget(file('function f(a, b, c, d) {}'))).toEqual([]);
    expect(overBudget(file('class A { m(a, b, c, d, e) {} }'))).toHaveLength(1);
    expect(overBudget(file('class A { constructor(a, b, c, d, e) {} }'))).toHaveLength(1);
  });
});
