import { InvalidInput } from '#errors';

/**
 * The little of protobuf's wire format that activations need. The generated code reads and writes the same bytes, but
 * number by number and with a copy more: a layer's message is mostly two large fields.
 */

const varintType = 0;
const fixed64Type = 1;
const bytesType = 2;
const fixed32Type = 5;

/** Bytes that a varint takes. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

function packedSize(values: Uint32Array): number {
  let size = 0;
  for (const value of values) size += varintSize(value);
  return size;
}

/** Writes fields in the order of its calls. Zeros and empty fields are left out, as proto3 does. */
export class MessageWriter {
  readonly #bytes: Buffer;
  #at = 0;

  /** @param capacity bytes that the message has at most */
  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** A whole number up to 2^53. */
  uint(field: number, value: number): this {
    if (value === 0) return this;
    this.#varint(field * 8 + varintType);
    this.#varint(value);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    if (value.length === 0) return this;
    this.#head(field, value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  packed(field: number, values: Uint32Array): this {
    if (values.length === 0) return this;
    this.#head(field, packedSize(values));
    for (const value of values) this.#varint(value);
    return this;
  }

  floats(field: number, values: Float32Array): this {
    return this.bytes(field, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #head(field: number, length: number): void {
    this.#varint(field * 8 + bytesType);
    this.#varint(length);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#at++] = rest;
  }
}

/** Reads a message field by field. What it gives of bytes is a view of the message, not a copy. */
export class MessageReader {
  readonly #bytes: Uint8Array;
  /** The name of what is being read, for faults. */
  what: string;
  #at = 0;
  #end: number;
  #type = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.what = what;
    this.#end = bytes.length;
  }

  /** True when the field that {@link next} has named is a run of bytes: text, a message, packed numbers. */
  get holdsBytes(): boolean {
    return this.#type === bytesType;
  }

  /** True when it is a number of its own. */
  get holdsNumber(): boolean {
    return this.#type === varintType;
  }

  /** The number of the next field, null at the end. */
  next(): number | null {
    if (this.#at >= this.#end) return null;
    const tag = this.#varint();
    this.#type = tag % 8;
    return Math.floor(tag / 8);
  }

  uint(): number {
    this.#expect(varintType);
    return this.#varint();
  }

  bytes(): Uint8Array {
    this.#expect(bytesType);
    const length = this.#varint();
    this.#require(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Numbers below 2^32, packed or one by one, after those that came before. */
  packed(before: Uint32Array): Uint32Array {
    if (this.#type === varintType) return Uint32Array.of(...before, this.#varint());
    const run = this.bytes();
    const values = new Uint32Array(before.length + run.reduce((count, byte) => count + (byte < 0x80 ? 1 : 0), 0));
    values.set(before);
    const inner = new MessageReader(run, this.what);
    for (let i = before.length; i < values.length; i++) values[i] = inner.#varint();
    if (inner.#at !== run.length) throw this.#fault('ends within a number');
    return values;
  }

  floats(before: Float32Array): Float32Array {
    const run = this.#type === fixed32Type ? this.#take(4) : this.bytes();
    if (run.length % 4 !== 0) throw this.#fault('ends within a number');
    const added = new Float32Array(new Uint8Array(run).buffer);
    if (before.length === 0) return added;
    const values = new Float32Array(before.length + added.length);
    values.set(before);
    values.set(added, before.length);
    return values;
  }

  /** Passes over a field that this reader does not know. */
  skip(): void {
    switch (this.#type) {
      case varintType:
        this.#passVarint();
        return;
      case fixed64Type:
        this.#take(8);
        return;
      case bytesType:
        this.bytes();
        return;
      case fixed32Type:
        this.#take(4);
        return;
    }
    throw this.#fault(`has a field of type ${this.#type}`);
  }

  #take(length: number): Uint8Array {
    this.#require(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 0x80) {
      this.#require(1);
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      if (!Number.isSafeInteger(value)) throw this.#fault('holds a number beyond 2^53');
      return value;
    }
    throw this.#fault('holds a number of more than ten bytes');
  }

  /** Whatever it holds: what this reader does not know may be wider than it could tell. */
  #passVarint(): void {
    for (let length = 1; length <= 10; length++) {
      this.#require(1);
      if ((this.#bytes[this.#at++] ?? 0) < 0x80) return;
    }
    throw this.#fault('holds a number of more than ten bytes');
  }

  #expect(type: number): void {
    if (this.#type !== type) throw this.#fault(`has a field of type ${this.#type} where ${type} belongs`);
  }

  #require(length: number): void {
    if (this.#at + length > this.#end) throw this.#fault('is cut off');
  }

  #fault(message: string): InvalidInput {
    return new InvalidInput([{ path: this.what, message: `${message}, at byte ${this.#at} of ${this.#end}` }]);
  }
}
