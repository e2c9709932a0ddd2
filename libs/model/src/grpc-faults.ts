/** What goes wrong between us and an inference group, by fault class, in words that tell an operator what to do. */
import { type ServiceError, status } from '@grpc/grpc-js';
import { rpcDetails, rpcStatus } from '#contracts/rpc';
import type { FaultKind } from '#errors';
import { type Failed, failed } from './openai-faults.ts';

const MAX_WORDS = 500;

interface Treatment {
  readonly kind: FaultKind;
  readonly advice: string;
}

const again: Treatment = { kind: 'transient', advice: 'Look into its log if it lasts.' };
const ours: Treatment = { kind: 'invalid', advice: 'Check the settings of the model and the limits of the group.' };
const barred: Treatment = { kind: 'blocked', advice: 'Check ARGOSY_MODEL_TLS_CERT_FILE and what the group asks for.' };

/** By status; what is not listed may pass. */
const treatments: Readonly<Partial<Record<status, Treatment>>> = {
  [status.RESOURCE_EXHAUSTED]: { kind: 'quota', advice: 'It has no room now; wait, or give it more.' },
  [status.INVALID_ARGUMENT]: ours,
  [status.OUT_OF_RANGE]: { kind: 'invalid', advice: "Set ARGOSY_MODEL_CONTEXT_TOKENS to the group's context." },
  [status.FAILED_PRECONDITION]: ours,
  [status.UNAUTHENTICATED]: barred,
  [status.PERMISSION_DENIED]: barred,
  [status.UNIMPLEMENTED]: {
    kind: 'invalid',
    advice: 'Something else than an inference group answers there: check the address.',
  },
};

/** A call that ended with a status. */
export function isServiceError(error: unknown): error is ServiceError {
  const { code, details } = (error ?? {}) as Partial<Record<'code' | 'details', unknown>>;
  return error instanceof Error && typeof code === 'number' && typeof details === 'string';
}

/** @param address `host:port` */
export function rpcFault(error: ServiceError, address: string): Failed {
  const said = error.details.replace(/\s+/g, ' ').trim().replace(/\.$/, '').slice(0, MAX_WORDS);
  const retryAfterMs = retryAfterOf(error);
  if (error.code === status.UNAVAILABLE && retryAfterMs === undefined) {
    const how = `Check that it is running and that the address is right (${said})`;
    return failed('transient', `No inference group answers at ${address}. ${how}.`, error);
  }
  // The transport refuses messages above its limit with the status of a full server.
  const isTooLarge = error.code === status.RESOURCE_EXHAUSTED && /larger than max/i.test(said);
  const { kind, advice } = isTooLarge ? ours : (treatments[error.code] ?? again);
  const what = `refused with ${status[error.code] ?? error.code}${said === '' ? '' : `: ${said}`}`;
  const fault = failed(kind, `The inference group at ${address} ${what}. ${advice}`, error);
  return retryAfterMs === undefined ? fault : { ...fault, retryAfterMs };
}

/** `google.rpc.RetryInfo` among the details of an error, in ms. */
function retryAfterOf({ metadata }: ServiceError): number | undefined {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    const { details } = rpcStatus.Status.decode(bytes);
    const found = details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.RetryInfo'));
    const delay = found && rpcDetails.RetryInfo.decode(found.value).retryDelay;
    return delay && delay.seconds * 1000 + Math.ceil(delay.nanos / 1e6);
  } catch {
    // Details that cannot be read say nothing; the status does.
    return undefined;
  }
}
