import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { routeTopK } from './route.ts';

const close = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThan(1e-6);

/** Logits of 8 experts as routers give them; whole numbers among them make ties. */
const rows = fc.array(
  fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.float({ min: -50, max: 50, noNaN: true })), {
    minLength: 8,
    maxLength: 8,
  }),
  { minLength: 1, maxLength: 4 },
);

describe('routeTopK', () => {
  it('takes the most probable experts, of equals the lower id', () => {
    const logits = Float32Array.of(0, 2, 1, 2, 1, 3, 1, 0);
    const { ids, tokens, topK } = routeTopK(logits, 1, { topK: 5, normalise: true });
    expect([...ids]).toEqual([5, 1, 3, 2, 4]);
    expect({ tokens, topK }).toEqual({ tokens: 1, topK: 5 });
  });

  it('takes ids 0 and 1 when all are equal', () => {
    const { ids, weights } = routeTopK(new Float32Array(12), 3, { topK: 2, normalise: false });
    expect([...ids]).toEqual([0, 1, 0, 1, 0, 1]);
    expect([...weights]).toEqual([0.25, 0.25, 0.25, 0.25, 0.25, 0.25]);
  });

  it('takes logits that are far too large for an exponential', () => {
    const { ids, weights } = routeTopK(Float32Array.of(1e30, -1e30, 999, 1e30), 1, { topK: 2, normalise: true });
    expect([...ids]).toEqual([0, 3]);
    expect([...weights]).toEqual([0.5, 0.5]);
  });

  it('weighs normalised experts by the softmax over their logits alone, and others by that over all', () => {
    const check = (table: readonly number[][]) => {
      const logits = Float32Array.from(table.flat());
      const normed = routeTopK(logits, table.length, { topK: 3, normalise: true });
      const raw = routeTopK(logits, table.length, { topK: 3, normalise: false });
      expect(raw.ids).toEqual(normed.ids);
      for (const [t, row] of table.entries()) {
        const ids = [...normed.ids.subarray(3 * t, 3 * t + 3)];
        const chosen = ids.map((id) => Math.exp((row[id] ?? NaN) - Math.max(...row)));
        const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
        const all = sum(row.map((logit) => Math.exp(logit - Math.max(...row))));
        for (const [k, exponential] of chosen.entries()) {
          close(normed.weights[3 * t + k] ?? NaN, exponential / sum(chosen));
          close(raw.weights[3 * t + k] ?? NaN, exponential / all);
        }
        close(sum([...normed.weights.subarray(3 * t, 3 * t + 3)]), 1);
      }
    };
    fc.assert(fc.property(rows, check));
  });
});
