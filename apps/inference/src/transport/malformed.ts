import {
  type MethodDefinition,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { InvalidInput, messageOf } from '#errors';
import { type DescribedField, fieldsOf, fieldTypes, requestOf } from './described-fields.ts';
import { MessageReader } from './protobuf.ts';
import { statusOf } from './status.ts';

/** Stands in the place of a request that could not be read, until {@link refuseMalformed} answers it. */
class Malformed {
  readonly fault: InvalidInput;
  constructor(fault: InvalidInput) {
    this.fault = fault;
  }
}

/**
 * A service whose requests may be no messages at all, or hold numbers beyond 2^53. The transport would call that a fault
 * of its own (INTERNAL), and say neither what is wrong nor where. Its server needs {@link refuseMalformed}.
 */
export function readable<Service extends ServiceDefinition>(service: Service): Service {
  const methods = Object.entries<MethodDefinition<unknown, unknown>>(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes);
      } catch (error) {
        return new Malformed(malformed(requestOf(method.path), bytes, error));
      }
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods) as Service; // the same methods, and handlers see no other requests
}

/** Answers what {@link readable} could not read with INVALID_ARGUMENT and the field; handlers do not see it. */
export const refuseMalformed: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMessage: (message: unknown, pass) => {
          if (message instanceof Malformed) call.sendStatus(statusOf(message.fault));
          else pass(message);
        },
      }),
  });

/**
 * What is wrong with bytes that a decoder has refused, and in which field.
 * @param message full name of what they should be @param error of the decoder, for what is not found here
 */
export function malformed(message: string, bytes: Uint8Array, error: unknown): InvalidInput {
  try {
    readAll(message, bytes, '');
  } catch (found) {
    if (found instanceof InvalidInput) return new InvalidInput(found.problems, { cause: error });
    throw found;
  }
  if (error instanceof InvalidInput) return error;
  return new InvalidInput([{ path: message, message: `cannot be read: ${messageOf(error)}` }], { cause: error });
}

/** Messages are nested to no greater depth here; what is deeper is not looked into. */
const deepest = 16;

/** @throws InvalidInput naming the first field that is no such thing, as `sampling.seed` */
function readAll(message: string, bytes: Uint8Array, path: string, depth = 0): void {
  const fields = fieldsOf(message);
  if (fields === null || depth > deepest) return;
  const here = path === '' ? message : path;
  const reader = new MessageReader(bytes, here);
  for (let number = reader.next(); number !== null; number = reader.next()) {
    const field = fields.get(number);
    const name = field?.name ?? `field ${number}`;
    reader.what = path === '' ? name : `${path}.${name}`;
    if (field?.type === fieldTypes.message && reader.holdsBytes) {
      readAll(field.message, reader.bytes(), reader.what, depth + 1);
    } else if (isNumber(field) && reader.holdsNumber) reader.uint();
    else reader.skip();
    reader.what = here;
  }
}

function isNumber(field: DescribedField | undefined): boolean {
  return field?.type === fieldTypes.uint64 || field?.type === fieldTypes.uint32;
}
