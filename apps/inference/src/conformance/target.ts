/** A group under examination, and what was found. */
import { credentials, Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { health, inference, rpcDetails, rpcStatus } from '#contracts/rpc';

/** What a group did that the contract does not allow. */
class Violation extends Error {}

/** The group did nothing wrong, but not what would have shown that it does right. */
export class Inconclusive extends Error {}

/** @throws Violation */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(what);
}

/** Longest wait for anything. */
const limitMs = 60_000;

export type ReplyEvent = NonNullable<inference.GenerateResponse['event']>;

/** A whole reply. */
export interface Reply {
  readonly events: readonly ReplyEvent[];
  readonly text: string;
  readonly ids: readonly number[];
  readonly finished: inference.Finished;
}

/** What a request changes of the usual one. */
export type Asked = Partial<Omit<inference.GenerateRequest, 'sampling'>> & {
  readonly sampling?: Partial<inference.Sampling>;
};

export const question = 'Say what a ferry is, and where one may be found.';

let lastId = 0;

/** What the requests of one short session have in common. */
export function sessionOf() {
  return { sessionId: requestOf().requestId, tenant: 'conformance', sessionTokensHint: 512 };
}

/** A request of no session. */
export function requestOf({ sampling, ...changes }: Asked = {}): inference.GenerateRequest {
  const requestId = `conformance-${process.pid}-${Date.now().toString(36)}-${++lastId}`;
  return {
    ...inference.GenerateRequest.fromPartial({ requestId, tenant: 'conformance' }),
    prompt: { $case: 'messages', value: { messages: [{ role: 'user', content: question }] } },
    ...changes,
    sampling: { ...inference.Sampling.fromPartial({ temperature: 0, maxTokens: 24 }), ...sampling },
  };
}

type Stream<T> = AsyncIterable<T> & { cancel(): void };

/** The two services of a group, over one connection. */
export class Target {
  readonly client: inference.InferenceServiceClient;
  readonly #health: health.HealthClient;

  /** @param address `host:port` or `unix:/path`, without TLS */
  constructor(address: string) {
    const options = { 'grpc.max_receive_message_length': 16 * 2 ** 20 };
    this.client = new inference.InferenceServiceClient(address, credentials.createInsecure(), options);
    this.#health = new health.HealthClient(address, credentials.createInsecure());
  }

  close(): void {
    this.client.close();
    this.#health.close();
  }

  async info(): Promise<inference.GetInfoResponse> {
    return await answered((done) => this.client.getInfo({}, new Metadata(), deadline(), done));
  }

  async count(prompt: inference.CountTokensRequest['prompt']): Promise<number> {
    const { tokens } = await answered<inference.CountTokensResponse>((done) => {
      this.client.countTokens({ prompt }, new Metadata(), deadline(), done);
    });
    return tokens;
  }

  async abort(requestId: string): Promise<boolean> {
    const { found } = await answered<inference.AbortResponse>((done) => {
      this.client.abort({ requestId }, new Metadata(), deadline(), done);
    });
    return found;
  }

  async release(request: inference.ReleaseSessionRequest): Promise<inference.ReleaseSessionResponse> {
    return await answered((done) => this.client.releaseSession(request, new Metadata(), deadline(), done));
  }

  async health(service: string): Promise<health.HealthCheckResponse> {
    return await answered((done) => this.#health.check({ service }, new Metadata(), deadline(), done));
  }

  /** @param headers of the call */
  generate(request: inference.GenerateRequest, headers = new Metadata()): Stream<inference.GenerateResponse> {
    return this.client.generate(request, headers, deadline()) as Stream<inference.GenerateResponse>;
  }

  watchLoad(intervalMs: number): Stream<inference.WatchLoadResponse> {
    return this.client.watchLoad({ intervalMs }, deadline()) as Stream<inference.WatchLoadResponse>;
  }

  drain(request: inference.DrainRequest): Stream<inference.DrainResponse> {
    return this.client.drain(request, deadline()) as Stream<inference.DrainResponse>;
  }

  /** @throws Violation for a stream out of order; the call's error when it fails */
  async reply(asked: Asked = {}): Promise<Reply> {
    return await replyOf(this.generate(requestOf(asked)));
  }

  /** @throws Violation when the call does not fail */
  async failure(request: inference.GenerateRequest): Promise<ServiceError> {
    try {
      for await (const _ of this.generate(request));
    } catch (error) {
      return asServiceError(error);
    }
    throw new Violation('a call that had to fail came to its end');
  }
}

function deadline(): { deadline: number } {
  return { deadline: Date.now() + limitMs };
}

async function answered<T>(ask: (done: (error: ServiceError | null, value: T) => void) => void): Promise<T> {
  return await new Promise((resolve, reject) =>
    ask((error, value) => (error === null ? resolve(value) : reject(error))),
  );
}

/** Reads a stream to its end and holds it to the order of its events. */
export async function replyOf(stream: AsyncIterable<inference.GenerateResponse>): Promise<Reply> {
  const events: ReplyEvent[] = [];
  for await (const { seq, event } of stream) {
    must(
      seq === events.length,
      `an event is number ${seq}, and the ${events.length} before it were 0 to ${events.length - 1}`,
    );
    if (event !== undefined) events.push(event);
  }
  const kinds = events.map(({ $case }) => $case);
  must(kinds[0] === 'accepted', `the first event is ${kinds[0] ?? 'missing'}, not accepted`);
  must(kinds.filter((kind) => kind === 'accepted').length === 1, 'accepted comes more than once');
  const last = events.at(-1);
  must(last?.$case === 'finished', `the last event is ${last?.$case ?? 'missing'}, not finished`);
  must(kinds.indexOf('finished') === kinds.length - 1, 'finished comes more than once');
  const deltas = events.flatMap((event) => (event.$case === 'delta' ? [event.value] : []));
  const text = deltas.map((delta) => delta.text).join('');
  return { events, text, ids: deltas.flatMap(({ tokenIds }) => tokenIds), finished: last.value };
}

export function asServiceError(error: unknown): ServiceError {
  const { code } = (error ?? {}) as Partial<StatusObject>;
  if (typeof code !== 'number') throw error;
  return error as ServiceError; // what grpc-js ends a call with
}

/** @throws Violation for another status */
export function mustBe(error: ServiceError, expected: status, when: string): void {
  must(error.code === expected, `${when} is ${status[error.code]} (${error.details}), not ${status[expected]}`);
}

/** What a caller is told to wait, in ms; null when it is told nothing. */
export function retryMsOf({ metadata }: ServiceError): number | null {
  for (const { typeUrl, value } of detailsOf(metadata)) {
    if (!typeUrl.endsWith('/google.rpc.RetryInfo')) continue;
    const { retryDelay } = rpcDetails.RetryInfo.decode(value);
    return retryDelay === undefined ? null : Number(retryDelay.seconds) * 1_000 + retryDelay.nanos / 1e6;
  }
  return null;
}

/** Fields that a refusal names. */
export function fieldsOf({ metadata }: ServiceError): string[] {
  return detailsOf(metadata)
    .filter(({ typeUrl }) => typeUrl.endsWith('/google.rpc.BadRequest'))
    .flatMap(({ value }) => rpcDetails.BadRequest.decode(value).fieldViolations.map(({ field }) => field));
}

function detailsOf(metadata: ServiceError['metadata']): rpcStatus.Status['details'] {
  const [bytes] = metadata.get('grpc-status-details-bin');
  return Buffer.isBuffer(bytes) ? rpcStatus.Status.decode(bytes).details : [];
}
