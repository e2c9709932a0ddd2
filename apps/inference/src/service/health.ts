/** `grpc.health.v1` of this process. */
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { health } from '#contracts/rpc';
import { NotFound } from '#errors';
import { statusOf } from '../transport/status.ts';
import { answer, leavingOf } from './streams.ts';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = health.HealthCheckResponse_ServingStatus;

type Asked = health.HealthCheckRequest;
type Told = health.HealthCheckResponse;

export class HealthService {
  readonly #services: ReadonlySet<string>;
  #serving = true;
  #stopped = false;
  #changed = Promise.withResolvers<void>();

  /** @param services full names of those that share the health of the process */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  /** Tells every watcher that this process serves no more, whatever is said later. */
  stop(): void {
    this.set(false);
    this.#stopped = true;
  }

  /** Tells every watcher whether this process can serve. */
  set(serving: boolean): void {
    if (this.#stopped || serving === this.#serving) return;
    this.#serving = serving;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  get handlers(): health.HealthServer {
    return {
      check: (call: ServerUnaryCall<Asked, Told>, reply: sendUnaryData<Told>) => {
        const { service } = call.request;
        if (this.#services.has(service)) reply(null, { status: this.#status(service) });
        else reply(statusOf(new NotFound(`no service is called "${service.slice(0, 200)}" here`)));
      },
      watch: (call: ServerWritableStream<Asked, Told>) => {
        const left = leavingOf(call);
        void answer(call, this.#watched(call.request.service, left), left);
      },
    };
  }

  #status(service: string): Told['status'] {
    if (!this.#services.has(service)) return SERVICE_UNKNOWN;
    return this.#serving ? SERVING : NOT_SERVING;
  }

  async *#watched(service: string, left: AbortSignal): AsyncGenerator<Told> {
    const gone = new Promise<void>((resolve) => left.addEventListener('abort', () => resolve(), { once: true }));
    let last: Told['status'] | undefined;
    while (!left.aborted) {
      const changed = this.#changed.promise;
      const status = this.#status(service);
      if (status !== last) yield { status };
      last = status;
      await Promise.race([changed, gone]);
    }
  }
}
