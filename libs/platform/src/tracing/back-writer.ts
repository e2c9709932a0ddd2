/** Most characters that are cheaper to copy here than to have copied. */
const fewCharacters = 64;
/** Most keys that are kept encoded: ours are a few dozen constants. */
const mostKeys = 512;

/**
 * Writes a protobuf message from its end to its beginning: then the length of each part is known when its turn comes, and
 * nothing is measured before it is written or moved afterwards. So the last field goes first.
 */
export class BackWriter {
  #bytes: Buffer;
  #at: number;
  readonly #keys: Map<string, Uint8Array>;

  /** @param bytes that will be enough, more or less @param keys encoded before, of all writers together */
  constructor(bytes: number, keys: Map<string, Uint8Array>) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    this.#at = bytes;
    this.#keys = keys;
  }

  /** Bytes so far: what a message was before one of its parts, for {@link close}. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  whole(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  /** What was written since then is the message, or the text, of this field. */
  close(field: number, before: number): void {
    this.#varint(this.length - before);
    this.#varint(field * 8 + 2);
  }

  text(field: number, text: string): void {
    const before = this.length;
    this.#text(text);
    this.close(field, before);
  }

  /** The same again and again: an attribute's name, as field 1. */
  key(key: string): void {
    let known = this.#keys.get(key);
    if (known === undefined) {
      const writer = new BackWriter(key.length + 16, this.#keys);
      writer.text(1, key);
      known = writer.whole();
      if (this.#keys.size < mostKeys) this.#keys.set(key, known);
    }
    this.#reserve(known.length);
    const [bytes, from] = [this.#bytes, this.#at - known.length];
    for (let at = 0; at < known.length; at++) bytes[from + at] = known[at] ?? 0;
    this.#at = from;
  }

  /** @param id in hex, two digits a byte */
  id(field: number, id: string): void {
    const before = this.length;
    this.#reserve(id.length / 2);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let digit = id.length - 2; digit >= 0; digit -= 2) {
      bytes[--at] = nibble(id.charCodeAt(digit)) * 16 + nibble(id.charCodeAt(digit + 1));
    }
    this.#at = at;
    this.close(field, before);
  }

  /** @param value whole; a negative one as its two's complement of 64 bits */
  integer(field: number, value: number): void {
    this.#varint(value);
    this.#varint(field * 8);
  }

  double(field: number, value: number): void {
    this.#reserve(8);
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
    this.#varint(field * 8 + 1);
  }

  fixed32(field: number, value: number): void {
    this.#word(value);
    this.#varint(field * 8 + 5);
  }

  /** Nanoseconds of seconds and nanoseconds, in 64 bits: more than a number holds, so in two halves. */
  nanoseconds(field: number, [seconds, nanoseconds]: readonly [number, number]): void {
    const upper = Math.floor(seconds / 2 ** 16) * 1e9;
    const lower = (seconds % 2 ** 16) * 1e9 + nanoseconds;
    const low = (upper % 2 ** 16) * 2 ** 16 + (lower % 2 ** 32);
    this.#word(Math.floor(upper / 2 ** 16) + Math.floor(lower / 2 ** 32) + Math.floor(low / 2 ** 32));
    this.#word(low % 2 ** 32);
    this.#varint(field * 8 + 1);
  }

  #word(value: number): void {
    this.#reserve(4);
    const [bytes, at] = [this.#bytes, this.#at - 4];
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.#at = at;
  }

  #text(text: string): void {
    if (text.length <= fewCharacters) {
      this.#reserve(fewCharacters);
      const bytes = this.#bytes;
      let at = this.#at;
      let character = text.length - 1;
      for (; character >= 0; character--) {
        const code = text.charCodeAt(character);
        if (code > 127) break;
        bytes[--at] = code;
      }
      if (character < 0) {
        this.#at = at;
        return;
      }
    }
    const bytes = Buffer.byteLength(text);
    this.#reserve(bytes);
    this.#at -= bytes;
    this.#bytes.write(text, this.#at, bytes);
  }

  #varint(value: number): void {
    this.#reserve(10);
    if (value >= 0 && value < 128) {
      this.#bytes[--this.#at] = value;
      return;
    }
    const digits: number[] = [];
    if (value >= 0 && value < 2 ** 31) for (let rest = value; rest > 0; rest >>>= 7) digits.push(rest & 127);
    else for (let rest = BigInt.asUintN(64, BigInt(value)); rest > 0n; rest >>= 7n) digits.push(Number(rest & 127n));
    for (let digit = digits.length - 1; digit >= 0; digit--) {
      const more = digit < digits.length - 1 ? 128 : 0;
      this.#bytes[--this.#at] = (digits[digit] ?? 0) + more;
    }
  }

  #reserve(bytes: number): void {
    if (this.#at >= bytes) return;
    const grown = Buffer.allocUnsafeSlow(2 * this.#bytes.length + bytes);
    const at = grown.length - this.length;
    this.#bytes.copy(grown, at, this.#at);
    this.#bytes = grown;
    this.#at = at;
  }
}

function nibble(code: number): number {
  return code <= 57 ? code - 48 : (code | 32) - 87;
}
