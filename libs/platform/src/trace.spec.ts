import { describe, expect, it } from '@jest/globals';
import { childOf, newTraceparent, traceIdOf } from './trace.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';
const form = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

describe('trace context', () => {
  it('begins traces that are valid, not sampled, and never the same', () => {
    const made = Array.from({ length: 1000 }, newTraceparent);
    for (const traceparent of made) expect(traceparent).toMatch(form);
    expect(new Set(made.map(traceIdOf)).size).toBe(1000);
    expect(made[0]?.slice(-2)).toBe('00');
  });

  it.each(['00', '01', '02', '03'])(
    'keeps the trace and the flags %s of its caller, with a span of its own',
    (flags) => {
      const child = childOf(`00-${trace}-${span}-${flags}`);
      expect(child).toMatch(form);
      expect(traceIdOf(child)).toBe(trace);
      expect(child).not.toContain(span);
      expect(child.slice(-2)).toBe(flags);
    },
  );

  it('clears flags that are not defined, and reads a later version as the one it knows', () => {
    expect(childOf(`00-${trace}-${span}-ff`).slice(-2)).toBe('03');
    const later = childOf(`cc-${trace}-${span}-01-what the future holds`);
    expect(later).toMatch(form);
    expect(traceIdOf(later)).toBe(trace);
  });

  it.each([
    ['nothing', undefined],
    ['an empty header', ''],
    ['a repeated header', [`00-${trace}-${span}-01`, `00-${trace}-${span}-01`]],
    ['a repeated header that was joined', `00-${trace}-${span}-01, 00-${trace}-${span}-01`],
    ['capital letters', `00-${trace.toUpperCase()}-${span}-01`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${span}-01`],
    ['a span id of zeros', `00-${trace}-${'0'.repeat(16)}-01`],
    ['the version ff', `ff-${trace}-${span}-01`],
    ['more than version 00 has', `00-${trace}-${span}-01-more`],
    ['too short a trace id', `00-${trace.slice(1)}-${span}-01`],
    ['no flags', `00-${trace}-${span}`],
    ['a line break', `00-${trace}-${span}-01\r\nx: y`],
    ['something long', '0'.repeat(100_000)],
  ])('begins a new trace for %s', (_what, header) => {
    const made = childOf(header);
    expect(made).toMatch(form);
    expect(traceIdOf(made)).not.toBe(trace);
  });
});
