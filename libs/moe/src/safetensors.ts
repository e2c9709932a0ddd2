import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { InvalidInput, messageOf } from '#errors';
import { bytesPerNumber, type NumberFormat } from './kernels/number-format.ts';

/** One tensor of a safetensors file, as its header describes it. */
export interface TensorEntry {
  readonly name: string;
  /** Of numbers that we cannot read, too: `I64`, `F8_E4M3` and others. */
  readonly format: string;
  readonly shape: readonly number[];
  /** From the beginning of the file. */
  readonly start: number;
  readonly bytes: number;
}

/** As the format's own reader has it. */
const LARGEST_HEADER = 100_000_000;

/** Node reads at most 2 GiB at a time. */
const LARGEST_READ = 2 ** 30;

/** Bits of each number format that the published reader knows; a few of them do not fill whole bytes. */
const bitsPerNumber: ReadonlyMap<string, number> = new Map([
  ...Object.entries(bytesPerNumber).map(([format, bytes]) => [format, bytes * 8] as const),
  ...['BOOL', 'U8', 'I8', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'].map((f) => [f, 8] as const),
  ...['U16', 'I16'].map((f) => [f, 16] as const),
  ...['U32', 'I32'].map((f) => [f, 32] as const),
  ...['U64', 'I64', 'F64', 'C64'].map((f) => [f, 64] as const),
  ...[['F4', 4] as const, ['F6_E2M3', 6] as const, ['F6_E3M2', 6] as const],
]);

const whole = z.int().min(0);
const headerSchema = z.record(
  z.string(),
  z.object({ dtype: z.string(), shape: z.array(whole).max(16), data_offsets: z.tuple([whole, whole]) }),
);

/** A safetensors file, of which ranges are read by their position. The header is checked against the file's length. */
export class SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, tensors: ReadonlyMap<string, TensorEntry>) {
    this.path = path;
    this.#file = file;
    this.tensors = tensors;
  }

  /** @throws InvalidInput naming the file and what its header says wrongly */
  static async open(path: string): Promise<SafetensorsFile> {
    let file: FileHandle;
    try {
      // Without waiting for a writer, should it be a pipe.
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      throw faultIn(path, `cannot be opened: ${messageOf(cause)}`, cause);
    }
    try {
      return new SafetensorsFile(path, file, await readHeader(path, file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * @param from first byte, counted from the tensor's beginning
   * @throws InvalidInput when the file has become shorter
   */
  async read(tensor: TensorEntry, from = 0, bytes = tensor.bytes): Promise<Uint8Array<ArrayBuffer>> {
    return await readExactly(this.path, this.#file, { position: tensor.start + from, bytes });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

export function faultIn(path: string, message: string, cause?: unknown): InvalidInput {
  return new InvalidInput([{ path, message }], { cause });
}

/** The number format of a tensor that a model is made of. @throws InvalidInput for any other */
export function numberFormatOf(path: string, { name, format }: TensorEntry): NumberFormat {
  if (Object.hasOwn(bytesPerNumber, format)) return format as NumberFormat; // looked up
  const readable = Object.keys(bytesPerNumber).join(', ');
  throw faultIn(path, `tensor ${name} has dtype ${format.slice(0, 40)}; ${readable} can be read`);
}

async function readHeader(path: string, file: FileHandle): Promise<Map<string, TensorEntry>> {
  const found = await file.stat();
  if (!found.isFile()) throw faultIn(path, 'is not a file');
  if (found.size < 8) throw faultIn(path, `has ${found.size} bytes; even the length of a header takes 8`);
  const length = Buffer.from(await readExactly(path, file, { position: 0, bytes: 8 })).readBigUInt64LE();
  if (length > LARGEST_HEADER) throw faultIn(path, `claims a header of ${length} bytes; it is no safetensors file`);
  const dataStart = 8 + Number(length);
  if (dataStart > found.size) {
    throw faultIn(path, `is cut short: a header of ${length} bytes is announced, and the file has ${found.size}`);
  }
  const text = Buffer.from(await readExactly(path, file, { position: 8, bytes: Number(length) })).toString('utf8');
  const tensors = parseHeader(path, text).map(({ name, dtype, shape, data_offsets: [start, end] }) => {
    if (end < start) throw faultIn(path, `tensor ${name} ends at ${end}, before its beginning at ${start}`);
    checkLength(path, { name, format: dtype, shape, start: dataStart + start, bytes: end - start });
    return { name, format: dtype, shape, start: dataStart + start, bytes: end - start };
  });
  checkCover(path, tensors, { dataStart, fileBytes: found.size });
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function parseHeader(path: string, text: string) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw faultIn(path, `has a header that is not JSON: ${messageOf(cause)}`, cause);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw faultIn(path, 'has a header that is no object');
  }
  const read = headerSchema.safeParse(
    Object.fromEntries(Object.entries(json).filter(([key]) => key !== '__metadata__')),
  );
  if (!read.success) throw faultIn(path, `has a header that cannot be used: ${z.prettifyError(read.error)}`);
  return Object.entries(read.data).map(([name, tensor]) => ({ name, ...tensor }));
}

function checkLength(path: string, { name, format, shape, bytes }: TensorEntry): void {
  const bits = bitsPerNumber.get(format);
  if (bits === undefined) throw faultIn(path, `tensor ${name} has the unknown dtype ${JSON.stringify(format)}`);
  const wanted = (shape.reduce((product, size) => product * size, 1) * bits) / 8;
  if (wanted !== bytes) {
    throw faultIn(path, `tensor ${name} has ${bytes} bytes; ${format} of shape [${shape.join(', ')}] takes ${wanted}`);
  }
}

/** Tensors lie one behind the other, without holes or shared bytes, to the end of the file. */
function checkCover(
  path: string,
  tensors: readonly TensorEntry[],
  { dataStart, fileBytes }: { readonly dataStart: number; readonly fileBytes: number },
): void {
  let at = dataStart;
  for (const { name, start, bytes } of tensors.toSorted((a, b) => a.start - b.start || a.bytes - b.bytes)) {
    if (start < at)
      throw faultIn(path, `tensor ${name} begins ${at - start} bytes before the end of the one before it`);
    if (start > at) throw faultIn(path, `has ${start - at} bytes before tensor ${name} that belong to none`);
    at = start + bytes;
  }
  if (at > fileBytes)
    throw faultIn(path, `is cut short: its tensors end at ${at}, and the file has ${fileBytes} bytes`);
  if (at < fileBytes) throw faultIn(path, `has ${fileBytes - at} bytes behind its last tensor that belong to none`);
}

async function readExactly(
  path: string,
  file: FileHandle,
  { position, bytes }: { readonly position: number; readonly bytes: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(out, done, Math.min(bytes - done, LARGEST_READ), position + done);
    if (bytesRead === 0)
      throw faultIn(path, `is cut short: nothing is left at ${position + done}; it has changed while it was open`);
    done += bytesRead;
  }
  return out;
}
