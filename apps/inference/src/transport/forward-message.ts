import { expert } from '#contracts/rpc';
import { InvalidInput } from '#errors';
import type { CombineMode, WireFormat } from '#moe';
import { MessageReader, MessageWriter } from './protobuf.ts';

/** A `ForwardRequest`, its numbers in typed arrays. */
export interface ForwardBatch {
  readonly seq: number;
  readonly planEpoch: number;
  readonly layer: number;
  readonly format: WireFormat;
  /** Rows of x. */
  readonly rows: number;
  /** [rows, hidden] in `format`. */
  readonly x: Uint8Array;
  readonly experts: Uint32Array;
  readonly offsets: Uint32Array;
  /** [pairs], rows of x. */
  readonly tokens: Uint32Array;
  readonly weights: Float32Array;
  readonly mode: CombineMode;
  /** W3C: the span that asks; empty for none. */
  readonly traceparent: string;
}

/** A `ForwardResponse`. */
export interface ForwardRows {
  readonly seq: number;
  readonly planEpoch: number;
  readonly layer: number;
  readonly format: WireFormat;
  readonly y: Uint8Array;
  readonly rowIndices: Uint32Array;
  readonly computeUs: number;
}

const dtypes = { f32: expert.Dtype.DTYPE_F32, bf16: expert.Dtype.DTYPE_BF16 } as const;
const modes = {
  deterministic: expert.CombineMode.COMBINE_MODE_DETERMINISTIC,
  reduced: expert.CombineMode.COMBINE_MODE_REDUCED,
} as const;

const noBytes = new Uint8Array();

/** More than the small fields of a message can take, `traceparent` included. */
const smallFields = 192;
/** A varint below 2^32 takes at most this many bytes. */
const wideVarint = 5;

/** The bytes that the generated code would write. */
export function encodeBatch(batch: ForwardBatch): Buffer {
  const { x, experts, offsets, tokens, weights } = batch;
  const indices = experts.length + offsets.length + tokens.length;
  return new MessageWriter(smallFields + x.length + wideVarint * indices + weights.byteLength)
    .uint(1, batch.seq)
    .uint(2, batch.planEpoch)
    .uint(3, batch.layer)
    .uint(4, dtypes[batch.format])
    .uint(5, batch.rows)
    .bytes(6, x)
    .packed(7, experts)
    .packed(8, offsets)
    .packed(9, tokens)
    .floats(10, weights)
    .uint(11, modes[batch.mode])
    .bytes(12, batch.traceparent === '' ? noBytes : Buffer.from(batch.traceparent))
    .finish();
}

/** The bytes that the generated code would write. */
export function encodeRowsOf(rows: ForwardRows): Buffer {
  const { y, rowIndices } = rows;
  return new MessageWriter(smallFields + y.length + wideVarint * rowIndices.length)
    .uint(1, rows.seq)
    .uint(2, rows.planEpoch)
    .uint(3, rows.layer)
    .uint(4, dtypes[rows.format])
    .bytes(5, y)
    .packed(6, rowIndices)
    .uint(7, rows.computeUs)
    .finish();
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

const noIndices = new Uint32Array();

/**
 * Reads what {@link encodeBatch} or any other protobuf library wrote; x stays a view of the message. Whether the lengths
 * fit each other is for whoever knows the model.
 * @throws InvalidInput for what is no such message
 */
export function decodeBatch(bytes: Uint8Array): ForwardBatch {
  const reader = new MessageReader(bytes, 'ForwardRequest');
  const none = { seq: 0, planEpoch: 0, layer: 0, rows: 0, x: noBytes, weights: new Float32Array(), traceparent: '' };
  const found: Mutable<Omit<ForwardBatch, 'format' | 'mode'>> = {
    ...none,
    experts: noIndices,
    offsets: noIndices,
    tokens: noIndices,
  };
  let dtype = 0;
  let mode = 0;
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field === 1) found.seq = reader.uint();
    else if (field === 2) found.planEpoch = reader.uint();
    else if (field === 3) found.layer = reader.uint();
    else if (field === 4) dtype = reader.uint();
    else if (field === 5) found.rows = reader.uint();
    else if (field === 6) found.x = reader.bytes();
    else if (field === 7) found.experts = reader.packed(found.experts);
    else if (field === 8) found.offsets = reader.packed(found.offsets);
    else if (field === 9) found.tokens = reader.packed(found.tokens);
    else if (field === 10) found.weights = reader.floats(found.weights);
    else if (field === 11) mode = reader.uint();
    else if (field === 12) found.traceparent = Buffer.from(reader.bytes()).toString('latin1');
    else reader.skip();
  }
  return {
    ...found,
    format: nameOf(dtypes, dtype, 'ForwardRequest.dtype'),
    mode: nameOf(modes, mode, 'ForwardRequest.combine_mode'),
  };
}

/**
 * Reads what {@link encodeRowsOf} or any other protobuf library wrote; y stays a view of the message.
 * @throws InvalidInput for what is no such message
 */
export function decodeRowsOf(bytes: Uint8Array): ForwardRows {
  const reader = new MessageReader(bytes, 'ForwardResponse');
  const none = { seq: 0, planEpoch: 0, layer: 0, y: noBytes, rowIndices: noIndices, computeUs: 0 };
  const found: Mutable<Omit<ForwardRows, 'format'>> = none;
  let dtype = 0;
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field === 1) found.seq = reader.uint();
    else if (field === 2) found.planEpoch = reader.uint();
    else if (field === 3) found.layer = reader.uint();
    else if (field === 4) dtype = reader.uint();
    else if (field === 5) found.y = reader.bytes();
    else if (field === 6) found.rowIndices = reader.packed(found.rowIndices);
    else if (field === 7) found.computeUs = reader.uint();
    else reader.skip();
  }
  return { ...found, format: nameOf(dtypes, dtype, 'ForwardResponse.dtype') };
}

function nameOf<Name extends string>(values: Readonly<Record<Name, number>>, value: number, path: string): Name {
  for (const name of Object.keys(values)) {
    if (values[name as Name] === value) return name as Name; // a key of the table it is looked up in
  }
  throw new InvalidInput([{ path, message: `${value} is none of ${Object.values(values).join(', ')}` }]);
}
