import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { expert } from '#contracts/rpc';
import { InvalidInput } from '#errors';
import {
  decodeBatch,
  decodeRowsOf,
  encodeBatch,
  encodeRowsOf,
  type ForwardBatch,
  type ForwardRows,
} from './forward-message.ts';

const uint53 = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat());
const uint32 = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 0xffffffff }));
const indices = fc.array(uint32, { maxLength: 40 }).map((values) => Uint32Array.from(values));
const bytes = fc.uint8Array({ maxLength: 300 });
const dtypes = { f32: expert.Dtype.DTYPE_F32, bf16: expert.Dtype.DTYPE_BF16 };
const modes = {
  deterministic: expert.CombineMode.COMBINE_MODE_DETERMINISTIC,
  reduced: expert.CombineMode.COMBINE_MODE_REDUCED,
};

const batches: fc.Arbitrary<ForwardBatch> = fc.record({
  seq: uint53,
  planEpoch: uint53,
  layer: uint32,
  format: fc.constantFrom('f32' as const, 'bf16' as const),
  rows: uint32,
  x: bytes,
  experts: indices,
  offsets: indices,
  tokens: indices,
  weights: fc.array(fc.float({ noNaN: true }), { maxLength: 40 }).map((values) => Float32Array.from(values)),
  mode: fc.constantFrom('deterministic' as const, 'reduced' as const),
  traceparent: fc.constantFrom('', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
});

const results: fc.Arbitrary<ForwardRows> = fc.record({
  seq: uint53,
  planEpoch: uint53,
  layer: uint32,
  format: fc.constantFrom('f32' as const, 'bf16' as const),
  y: bytes,
  rowIndices: indices,
  computeUs: uint32,
});

const generatedBatch = (batch: ForwardBatch): expert.ForwardRequest => ({
  seq: batch.seq,
  planEpoch: batch.planEpoch,
  layer: batch.layer,
  dtype: dtypes[batch.format],
  tokens: batch.rows,
  x: Buffer.from(batch.x),
  expertIds: [...batch.experts],
  offsets: [...batch.offsets],
  tokenIndices: [...batch.tokens],
  weights: [...batch.weights],
  combineMode: modes[batch.mode],
  traceparent: batch.traceparent,
});

const generatedRows = (rows: ForwardRows): expert.ForwardResponse => ({
  seq: rows.seq,
  planEpoch: rows.planEpoch,
  layer: rows.layer,
  dtype: dtypes[rows.format],
  y: Buffer.from(rows.y),
  tokenIndices: [...rows.rowIndices],
  computeUs: rows.computeUs,
});

/** Without the prototypes of buffers, which differ. */
const plain = <T extends object>(message: T) =>
  Object.fromEntries(
    Object.entries(message).map(([key, value]) => [
      key,
      ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value,
    ]),
  );

describe('a batch of activations', () => {
  it('has the bytes of the generated code, and is read from them', () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const generated = expert.ForwardRequest.encode(generatedBatch(batch)).finish();
        expect(encodeBatch(batch).equals(generated)).toBe(true);
        expect(plain(decodeBatch(generated))).toEqual(plain(batch));
      }),
    );
  });

  it('is read when its numbers come one by one, in several runs, and among fields that we do not know', () => {
    const parts = [
      [0x20, 1, 0x58, 2], // dtype, combine_mode
      [0x38, 7, 0x3a, 2, 8, 9, 0x38, 0x80, 0x01], // expert_ids: 7, then 8 and 9 packed, then 128
      [0x55, 0, 0, 0x80, 0x3f, 0x52, 4, 0, 0, 0, 0x40], // weights: 1, then 2 packed
      [0x98, 0x06, 5, 0x9d, 0x06, 1, 2, 3, 4, 0xa2, 0x06, 1, 0, 0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8], // fields 99 to 101
    ];
    const batch = decodeBatch(Uint8Array.from(parts.flat()));
    expect(batch.experts).toEqual(Uint32Array.of(7, 8, 9, 128));
    expect(batch.weights).toEqual(Float32Array.of(1, 2));
    expect([batch.format, batch.mode]).toEqual(['f32', 'reduced']);
  });
});

describe('rows of experts', () => {
  it('have the bytes of the generated code, and are read from them', () => {
    fc.assert(
      fc.property(results, (rows) => {
        const generated = expert.ForwardResponse.encode(generatedRows(rows)).finish();
        expect(encodeRowsOf(rows).equals(generated)).toBe(true);
        expect(plain(decodeRowsOf(generated))).toEqual(plain(rows));
      }),
    );
  });
});

describe('what is no message', () => {
  it.each([
    ['a dtype that is not there', [0x20, 9, 0x58, 1], /ForwardRequest.dtype: 9 is none of 1, 2/],
    ['no combine mode', [0x20, 1], /combine_mode: 0 is none of/],
    ['bytes that are not there', [0x32, 5, 1], /is cut off, at byte 2 of 3/],
    ['a varint without an end', Array(12).fill(0xff), /beyond|more than ten bytes|is cut off/],
    ['a number beyond 2^53', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], /beyond 2\^53/],
    ['half a float', [0x52, 3, 1, 2, 3], /ends within a number/],
    ['half a packed varint', [0x3a, 1, 0x80], /ends within a number/],
    ['a group', [0x0b], /type 3/],
    ['a field of another type', [0x30, 1], /type 0 where 2/],
  ])('is refused: %s', (_, message, fault) => {
    expect(() => decodeBatch(Uint8Array.from(message as number[]))).toThrow(fault);
  });

  it('is refused or read, never anything else, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        for (const read of [decodeBatch, decodeRowsOf]) {
          try {
            read(noise);
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidInput);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
