import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { BadRequestException, PayloadTooLargeException } from '@nestjs/common';
import { Aborted, InvalidInput, messageOf } from '#errors';

/** What is read of a form, in bytes where it is not a number of parts. */
export interface FormBounds {
  readonly files: number;
  readonly fileBytes: number;
  readonly totalBytes: number;
}

/** Takes a file that must be read to its end before the next one comes. */
type TakeFile = (path: string, source: AsyncIterable<Uint8Array>) => Promise<void>;

/** Fields beside the files; of a name with a path and its headers, more is not read. */
const mostFields = 10;
const mostFieldBytes = 4_096;
const mostHeaderBytes = 8_192;

/**
 * Reads `multipart/form-data` as it comes: each file goes to `take`, one after the other.
 * @returns the other fields by name, the last of each
 * @throws what `take` throws; BadRequestException for what is no form; PayloadTooLargeException; InvalidInput for too
 * many parts; Aborted when the client leaves
 */
export async function readForm(
  body: Readable,
  headers: IncomingHttpHeaders,
  bounds: FormBounds,
  take: TakeFile,
): Promise<ReadonlyMap<string, string>> {
  const form = formOf(headers, bounds);
  const reading = new FormReading(form, bounds, take);
  try {
    await reading.of(body);
    return reading.fields;
  } finally {
    // A client that is refused in the middle still gets its answer, so its connection must live.
    body.unpipe(form).resume();
  }
}

/** One form on its way. The first fault ends it, once what `take` is at has ended. */
class FormReading {
  readonly fields = new Map<string, string>();
  readonly #form: BusboyInstance;
  readonly #bounds: FormBounds;
  readonly #take: TakeFile;
  readonly #open = new Set<Readable>();
  readonly #faulty = Promise.withResolvers<void>();
  #taken: Promise<void> = Promise.resolve();
  #bytes = 0;

  constructor(form: BusboyInstance, bounds: FormBounds, take: TakeFile) {
    this.#form = form;
    this.#bounds = bounds;
    this.#take = take;
  }

  async of(body: Readable): Promise<void> {
    this.#heed(body);
    body.pipe(this.#form);
    await this.#faulty.promise.finally(async () => await this.#taken.catch(() => undefined));
  }

  #heed(body: Readable): void {
    const { files, totalBytes } = this.#bounds;
    const left = (cause?: unknown) => this.#fail(new Aborted('The client stopped sending the form.', { cause }));
    body.once('error', left).once('close', () => body.readableEnded || left());
    body.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.byteLength;
      if (this.#bytes > totalBytes) this.#fail(new PayloadTooLargeException(`A form has at most ${totalBytes} bytes.`));
    });
    this.#form.on('field', (name, value, _short, cut) => {
      if (cut) this.#fail(faultIn(name, `has more than ${mostFieldBytes} bytes`));
      this.fields.set(name, value);
    });
    this.#form.on('file', (_name, file, path) => this.#file(path ?? '', file));
    this.#form.on('filesLimit', () => this.#fail(faultIn('', `a form holds at most ${files} files: send several`)));
    this.#form.on('fieldsLimit', () => this.#fail(faultIn('', `a form holds at most ${mostFields} fields`)));
    this.#form.once('error', (error) => this.#fail(unreadable(error)));
    this.#form.once('finish', () => void this.#taken.then(this.#faulty.resolve, () => undefined));
  }

  #file(path: string, file: Readable): void {
    const { fileBytes } = this.#bounds;
    this.#open.add(file);
    file.once('close', () => this.#open.delete(file));
    file.once('limit', () =>
      this.#fail(new PayloadTooLargeException(`${path}: a file of a corpus has at most ${fileBytes} bytes.`)),
    );
    file.on('error', (error) => this.#fail(error));
    this.#taken = this.#taken.then(async () => await this.#take(path, file));
    this.#taken.catch((error: Error) => this.#fail(error));
  }

  /** Whoever reads a file hears of it, too, and lets go. */
  #fail(error: Error): void {
    this.#faulty.reject(error);
    for (const file of this.#open) file.destroy(error);
  }
}

function formOf(headers: IncomingHttpHeaders, bounds: FormBounds): BusboyInstance {
  const limits = {
    ...{ files: bounds.files, fileSize: bounds.fileBytes, fields: mostFields, fieldSize: mostFieldBytes },
    ...{ headerSize: mostHeaderBytes, headerPairs: 20 },
  };
  try {
    return new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      preservePath: true,
      limits,
    });
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): BadRequestException {
  return new BadRequestException(`The form cannot be read: ${messageOf(error)}.`);
}

function faultIn(path: string, message: string): InvalidInput {
  return new InvalidInput([{ path, message }]);
}
