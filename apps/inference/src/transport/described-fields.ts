import { type DescribedFile, describedFiles } from '#contracts/rpc';
import { MessageReader } from './protobuf.ts';

/** Of `google.protobuf.FieldDescriptorProto.Type`. */
export const fieldTypes = { uint64: 4, message: 11, uint32: 13 } as const;

export interface DescribedField {
  /** As in the proto file. */
  readonly name: string;
  readonly type: number;
  /** Full name of the message that the field holds; empty for any other. */
  readonly message: string;
}

/**
 * The fields of a message by their numbers, read from its descriptor: what generated code does not tell of itself. Made
 * for faults, so nothing is kept.
 * @param message full name, as `argosy.inference.v1.Sampling`; null for one that is in no described file
 */
export function fieldsOf(message: string): ReadonlyMap<number, DescribedField> | null {
  const file = describedFiles.find(({ symbols }) => symbols.includes(message));
  return file === undefined ? null : fieldsIn(file, message);
}

/** @returns the full name of what a method takes, by its path; the path itself for one that is in no described file */
export function requestOf(path: string): string {
  const [, service = '', method = ''] = path.split('/');
  const file = describedFiles.find(({ symbols }) => symbols.includes(`${service}.${method}`));
  const parts = partsOf(Buffer.from(file?.descriptor ?? '', 'base64'));
  const own = messages(parts.get(inFile.service)).find((one) =>
    service.endsWith(`.${textOf(one.get(inService.name))}`),
  );
  const found = messages(own?.get(inService.method)).find((one) => textOf(one.get(inMethod.name)) === method);
  return found === undefined ? path : textOf(found.get(inMethod.request)).slice(1);
}

/** Numbers of `FileDescriptorProto` and what it holds: descriptor.proto of protobuf. */
const inFile = { package: 2, message: 4, service: 6 } as const;
const inMessage = { name: 1, field: 2 } as const;
const inField = { name: 1, number: 3, type: 5, typeName: 6 } as const;
const inService = { name: 1, method: 2 } as const;
const inMethod = { name: 1, request: 2 } as const;

function fieldsIn({ descriptor }: DescribedFile, message: string): ReadonlyMap<number, DescribedField> | null {
  const file = partsOf(Buffer.from(descriptor, 'base64'));
  const home = textOf(file.get(inFile.package));
  const own = messages(file.get(inFile.message)).find((parts) => {
    return `${home}.${textOf(parts.get(inMessage.name))}` === message;
  });
  return own === undefined ? null : new Map(messages(own.get(inMessage.field)).map(fieldOf));
}

function fieldOf(parts: Parts): readonly [number, DescribedField] {
  const numberOf = (field: number): number => Number(parts.get(field)?.[0] ?? 0);
  const message = textOf(parts.get(inField.typeName)).replace(/^\./, '');
  return [numberOf(inField.number), { name: textOf(parts.get(inField.name)), type: numberOf(inField.type), message }];
}

type Part = number | Uint8Array;
type Parts = ReadonlyMap<number, readonly Part[]>;

/** The values of a message by field: numbers, and bytes of everything else. Descriptors have nothing of fixed width. */
function partsOf(bytes: Uint8Array): Parts {
  const parts = new Map<number, Part[]>();
  const reader = new MessageReader(bytes, 'descriptor');
  for (let field = reader.next(); field !== null; field = reader.next()) {
    const values = parts.get(field) ?? [];
    values.push(reader.holdsBytes ? reader.bytes() : reader.uint());
    parts.set(field, values);
  }
  return parts;
}

function messages(parts: readonly Part[] = []): Parts[] {
  return parts.map((part) => partsOf(bytesOf(part)));
}

function bytesOf(part: Part): Uint8Array {
  return typeof part === 'number' ? new Uint8Array() : part;
}

function textOf([part = 0]: readonly Part[] = []): string {
  return Buffer.from(bytesOf(part)).toString();
}
