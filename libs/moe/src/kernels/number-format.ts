/** Numbers as checkpoints and wires hold them, little-endian as every machine that we run on. */

/** Names as safetensors files write them. */
export type NumberFormat = 'BF16' | 'F16' | 'F32';

export const bytesPerNumber: Readonly<Record<NumberFormat, number>> = { BF16: 2, F16: 2, F32: 4 };

/** @param bytes of whole numbers; copied where they do not lie as the processor wants them */
export function decodeNumbers(bytes: Uint8Array, format: NumberFormat, out: Float32Array): void {
  switch (format) {
    case 'F32':
      new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
      return;
    case 'BF16':
      decodeBf16(halves(bytes), out);
      return;
    case 'F16':
      decodeF16(halves(bytes), out);
  }
}

/** bf16 is the upper half of an f32, rounded to nearest, ties to even. */
export function encodeBf16(x: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
  const out = new Uint16Array(x.length);
  // No carry into a NaN, which would make an infinity of it.
  for (let i = 0; i < out.length; i++) {
    const whole = bits[i]!;
    const notANumber = (whole & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (whole >>> 16) | 0x40 : (whole + 0x7fff + ((whole >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** @returns where the first NaN or infinity stands, -1 when there is none */
export function firstUnusable(x: Float32Array): number {
  for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i]!)) return i;
  return -1;
}

function halves(bytes: Uint8Array): Uint16Array {
  // Not slice(): that of a Buffer copies nothing.
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

function decodeBf16(stored: Uint16Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = stored[i]! << 16;
}

/** IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
function decodeF16(stored: Uint16Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    const bits = stored[i]!;
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) out[i] = sign * fraction * 2 ** -24;
    else if (exponent === 0x1f) out[i] = fraction === 0 ? sign * Infinity : NaN;
    else out[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
}
