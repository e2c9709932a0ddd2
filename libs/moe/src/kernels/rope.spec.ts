import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SafetensorsFile } from '../safetensors.ts';
import { decodeNumbers } from './number-format.ts';
import { rotate } from './rope.ts';

/** Made by `test/golden/moe/make.py`. */
const golden = resolve(import.meta.dirname, '../../../../test/golden/moe/rotation.safetensors');
const headDim = 128;
const theta = 1e7;

async function readGolden(): Promise<ReadonlyMap<string, Float32Array>> {
  const file = await SafetensorsFile.open(golden);
  const numbers = new Map<string, Float32Array>();
  for (const [name, entry] of file.tensors) {
    const out = new Float32Array(entry.bytes / 4);
    decodeNumbers(await file.read(entry), 'F32', out);
    numbers.set(name, out);
  }
  await file.close();
  return numbers;
}

describe('rotate', () => {
  it('turns by the angles of the reference implementation, up to the end of a context of 262,144', async () => {
    const numbers = await readGolden();
    const [positions, cos, sin] = ['positions', 'cos', 'sin'].map((name) => [...(numbers.get(name) ?? [])]);
    expect(positions).toEqual([0, 1, 1000, 40_959, 131_071, 262_143]);
    for (const [row, position] of (positions ?? []).entries()) {
      const x = new Float32Array(headDim).fill(1, 0, headDim / 2);
      rotate(x, { first: position, rows: 1 }, headDim, theta);
      for (let i = 0; i < headDim / 2; i++) {
        // Angles in double precision would be off by a hundredth at the end.
        expect(Math.abs((x[i] ?? NaN) - (cos?.[row * 64 + i] ?? NaN))).toBeLessThan(1e-6);
        expect(Math.abs((x[i + 64] ?? NaN) - (sin?.[row * 64 + i] ?? NaN))).toBeLessThan(1e-6);
      }
    }
  });

  it('turns each head alike and keeps its length', () => {
    const x = Float32Array.from({ length: 3 * 2 * 4 }, (_, i) => Math.sin(i));
    const turned = new Float32Array(x);
    rotate(turned, { first: 5, rows: 3 }, 4, 100);
    const alone = x.slice(12, 16);
    rotate(alone, { first: 6, rows: 1 }, 4, 100);
    expect(turned.slice(12, 16)).toEqual(alone);
    const length = (numbers: Float32Array) => Math.hypot(...numbers);
    for (let head = 0; head < 24; head += 4) {
      expect(length(turned.subarray(head, head + 4))).toBeCloseTo(length(x.subarray(head, head + 4)), 6);
    }
  });
});
