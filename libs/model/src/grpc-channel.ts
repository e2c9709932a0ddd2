import {
  type ChannelOptions,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { inference } from '#contracts/rpc';

/** Files of TLS as bytes, PEM; a certificate and its key where the group asks for them. */
export interface GrpcTls {
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
}

const mostBytes = 32 * 2 ** 20;

const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': mostBytes,
  'grpc.max_send_message_length': mostBytes,
  // A group that vanished without a word is found out within half a minute.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // The operator named this address: never by way of a proxy that the environment names for the web.
  'grpc.enable_http_proxy': 0,
  // Retries are ours, by fault class.
  'grpc.enable_retries': 0,
};

const shortCallMs = 30_000;
const releaseMs = 2_000;

/** The calls of one group that a model needs. Connects at the first, and again whenever it must. */
export class GrpcGroup {
  readonly #client: inference.InferenceServiceClient;

  /** @param address `host:port` @param tls null for plain text */
  constructor(address: string, tls: GrpcTls | null) {
    const secured = tls === null ? credentials.createInsecure() : credentials.createSsl(tls.ca, tls.key, tls.cert);
    this.#client = new inference.InferenceServiceClient(address, secured, channelOptions);
  }

  /** @throws ServiceError */
  async info(signal: AbortSignal): Promise<inference.GetInfoResponse> {
    return await this.#short(signal, (metadata, options, done) => this.#client.getInfo({}, metadata, options, done));
  }

  /** @throws ServiceError */
  async experts(signal: AbortSignal): Promise<inference.GetExpertsResponse> {
    return await this.#short(signal, (metadata, options, done) => this.#client.getExperts({}, metadata, options, done));
  }

  /** The present load, once. @throws ServiceError */
  async load(signal: AbortSignal): Promise<inference.WatchLoadResponse> {
    const stream = this.#client.watchLoad({ intervalMs: 0 }, new Metadata(), { deadline: Date.now() + shortCallMs });
    const leave = (): void => stream.cancel();
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      for await (const load of stream as AsyncIterable<inference.WatchLoadResponse>) return load;
    } finally {
      signal.removeEventListener('abort', leave);
      stream.cancel();
    }
    throw new Error('a group said nothing about its load');
  }

  /** @throws ServiceError */
  async count(request: inference.CountTokensRequest): Promise<number> {
    const never = new AbortController().signal;
    const { tokens } = await this.#short<inference.CountTokensResponse>(never, (metadata, options, done) =>
      this.#client.countTokens(request, metadata, options, done),
    );
    return tokens;
  }

  /** @param deadlineMs of the whole reply */
  generate(
    request: inference.GenerateRequest,
    { traceparent, deadlineMs }: { readonly traceparent: string | undefined; readonly deadlineMs: number },
  ): ClientReadableStream<inference.GenerateResponse> {
    const metadata = new Metadata();
    if (traceparent !== undefined) metadata.set('traceparent', traceparent);
    return this.#client.generate(request, metadata, { deadline: Date.now() + deadlineMs });
  }

  /** Asks the group to end a reply. That it cannot be asked is the fault of a group that ends it anyway. */
  abort(requestId: string): void {
    const options = { deadline: Date.now() + shortCallMs };
    this.#client.abort({ requestId }, new Metadata(), options, () => undefined);
  }

  /** The present load, and again after each interval until it is cancelled. */
  watchLoad(intervalMs: number): ClientReadableStream<inference.WatchLoadResponse> {
    return this.#client.watchLoad({ intervalMs });
  }

  /**
   * Has the group take no new session, or take some again. Nobody waits until its sessions are gone: it says how it stands.
   * @throws ServiceError
   */
  async drain(request: inference.DrainRequest): Promise<inference.DrainResponse> {
    const stream = this.#client.drain(request, new Metadata(), { deadline: Date.now() + shortCallMs });
    for await (const state of stream as AsyncIterable<inference.DrainResponse>) {
      // A stream that is left does not end the draining.
      stream.cancel();
      return state;
    }
    throw new Error('a group said nothing about its draining');
  }

  /** Tells that a session is over. A group that cannot be told now forgets it by itself later. */
  async release(session: inference.ReleaseSessionRequest): Promise<void> {
    const options = { deadline: Date.now() + releaseMs };
    await new Promise<void>((resolve) => {
      this.#client.releaseSession(session, new Metadata(), options, () => resolve());
    });
  }

  close(): void {
    this.#client.close();
  }

  async #short<A>(signal: AbortSignal, call: ShortCall<A>): Promise<A> {
    return await new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + shortCallMs };
      const made = call(new Metadata(), options, (error, answer) => (error === null ? resolve(answer) : reject(error)));
      signal.addEventListener('abort', () => made.cancel(), { once: true });
      if (signal.aborted) made.cancel();
    });
  }
}

type ShortCall<A> = (
  metadata: Metadata,
  options: { readonly deadline: number },
  done: (error: ServiceError | null, answer: A) => void,
) => { cancel(): void };
