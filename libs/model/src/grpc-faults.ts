/** What goes wrong between us and an inference group, by fault class, in words that tell an operator what to do. */
import { type ServiceError, status } from '@grpc/grpc-js';
import { rpcDetails, rpcStatus } from '#contracts/rpc';
import type { FaultKind } from '#errors';
import { ModelBusy } from './chat-model.ts';
import { type Failed, failed, type ServerState } from './openai-faults.ts';

const MAX_WORDS = 500;
/** Where a group with no room does not say when there may be some. */
const usualRetryMs = 5_000;

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
  const details = detailsOf(error);
  const retryAfterMs = retryAfterOf(details);
  if (error.code === status.UNAVAILABLE && retryAfterMs === undefined) {
    const how = `Check that it is running and that the address is right (${said})`;
    return { ...failed('transient', `No inference group answers at ${address}. ${how}.`, error), because: 'gone' };
  }
  // The transport refuses messages above its limit with the status of a full server.
  const isTooLarge = error.code === status.RESOURCE_EXHAUSTED && /larger than max/i.test(said);
  const { kind, advice } = isTooLarge ? ours : (treatments[error.code] ?? again);
  const what = `refused with ${status[error.code] ?? error.code}${said === '' ? '' : `: ${said}`}`;
  const message = `The inference group at ${address} ${what}. ${advice}`;
  const because = isTooLarge ? undefined : stateBehind(error.code, said, details);
  const isBusy = because === 'busy' || because === 'full';
  const busy = (): Failed => ({
    ok: false,
    fault: new ModelBusy(message, retryAfterMs ?? usualRetryMs, { cause: error }),
  });
  return {
    ...(isBusy ? busy() : failed(kind, message, error)),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(because === undefined ? {} : { because }),
  };
}

/** What a status says of the group, where it says something. */
function stateBehind(code: status, said: string, details: readonly Detail[]): ServerState | undefined {
  if (code === status.UNAVAILABLE) return 'away';
  if (code === status.RESOURCE_EXHAUSTED) return reasonOf(details) === 'SESSIONS_FULL' ? 'full' : 'busy';
  // A stream that broke in the middle; one that we ended ourselves is not asked about.
  const isBroken = code === status.CANCELLED || (code === status.INTERNAL && /RST_STREAM/.test(said));
  return isBroken ? 'gone' : undefined;
}

type Detail = rpcStatus.Status['details'][number];

/** Details that cannot be read say nothing; the status does. */
function detailsOf({ metadata }: ServiceError): readonly Detail[] {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return [];
  return readable(() => rpcStatus.Status.decode(bytes).details) ?? [];
}

/** `google.rpc.RetryInfo`, in ms. */
function retryAfterOf(details: readonly Detail[]): number | undefined {
  const found = details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.RetryInfo'));
  const delay = found && readable(() => rpcDetails.RetryInfo.decode(found.value).retryDelay);
  return delay && delay.seconds * 1000 + Math.ceil(delay.nanos / 1e6);
}

/** The reason in `google.rpc.ErrorInfo`. */
function reasonOf(details: readonly Detail[]): string | undefined {
  const found = details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  return found && readable(() => rpcDetails.ErrorInfo.decode(found.value).reason);
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
