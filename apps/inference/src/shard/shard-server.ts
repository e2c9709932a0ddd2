import { Server, ServerCredentials, type ServerDuplexStream, type ServerWritableStream } from '@grpc/grpc-js';
import type { expert } from '#contracts/rpc';
import { InvalidInput, messageOf } from '#errors';
import type { Logger } from '#platform';
import { channelOptions, shardService } from '../transport/channel.ts';
import { readable, refuseMalformed } from '../transport/malformed.ts';
import { removeStaleSocket } from '../transport/stale-socket.ts';
import { serverCredentials, type TlsFiles } from '../transport/tls.ts';
import { answerForward } from './forward-stream.ts';
import { stating } from './instruments.ts';
import { answerLoads } from './load-stream.ts';
import type { ResidentExperts } from './resident-experts.ts';

/** A timer of more than 2^31 ms would fire all the time. */
const longestBeatMs = 3_600_000;

export interface ShardOptions {
  /** `host:port` (port 0 for a free one) or `unix:/path`, where nobody else listens. */
  readonly listen: string;
  /** Absent or without files: plain text. */
  readonly tls?: TlsFiles;
}

/** The role `shard`: some experts of a model behind `ExpertShardService`. */
export class ShardServer {
  readonly #experts: ResidentExperts;
  readonly #server = new Server({ ...channelOptions, interceptors: [refuseMalformed] });
  readonly #streams = new Set<ServerDuplexStream<Buffer, Buffer>>();
  readonly #beats = new Set<() => void>();
  #unansweredBytes = 0;
  #draining = false;
  #idle: () => void = () => undefined;
  readonly #unstate = stating(() => ({ experts: this.#experts, unansweredBytes: this.#unansweredBytes }));

  private constructor(experts: ResidentExperts) {
    this.#experts = experts;
    this.#server.addService(readable(shardService), {
      load: (call: ServerDuplexStream<expert.LoadRequest, expert.LoadResponse>) => void answerLoads(call, experts),
      forward: (call: ServerDuplexStream<Buffer, Buffer>) => this.#forward(call),
      stats: (call: ServerWritableStream<expert.StatsRequest, expert.StatsResponse>) => this.#stats(call),
    });
  }

  /**
   * @throws InvalidInput when it cannot be bound, or the files of its identity cannot be used
   */
  static async start(experts: ResidentExperts, { listen, tls }: ShardOptions, logger: Logger): Promise<ShardServer> {
    const secured = tls === undefined ? ServerCredentials.createInsecure() : await serverCredentials(tls);
    const shard = new ShardServer(experts);
    await removeStaleSocket(listen);
    shard.port = await shard.#bind(listen, secured);
    logger.log('info', 'shard listens', { listen, port: shard.port, tls: tls?.cert !== undefined });
    return shard;
  }

  /** Of TCP; 0 for a socket of the file system. */
  port = 0;

  /** Tells the coordinator that it goes, answers what is under way, and ends when nobody asks any more or time is up. */
  async stop(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const beat of this.#beats) beat();
    if (this.#streams.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        setTimeout(resolve, graceMs).unref();
      });
    }
    this.#server.forceShutdown();
    this.#unstate();
    await this.#experts.close();
  }

  async #bind(listen: string, secured: ServerCredentials): Promise<number> {
    return await new Promise((resolve, reject) => {
      this.#server.bindAsync(listen, secured, (error, port) => {
        if (error === null) resolve(listen.startsWith('unix:') ? 0 : port);
        else reject(cannotListen(listen, error));
      });
    });
  }

  #forward(call: ServerDuplexStream<Buffer, Buffer>): void {
    this.#streams.add(call);
    call.once('close', () => {
      this.#streams.delete(call);
      if (this.#streams.size === 0) this.#idle();
    });
    answerForward(call, this.#experts, (bytes) => {
      this.#unansweredBytes += bytes;
    });
  }

  #stats(call: ServerWritableStream<expert.StatsRequest, expert.StatsResponse>): void {
    const { intervalMs } = call.request;
    const everyMs = Math.min(longestBeatMs, Math.max(50, intervalMs === 0 ? 250 : intervalMs));
    let told: Float64Array = new Float64Array(this.#experts.tokensSeen().length);
    const beat = (): void => {
      // Whoever does not read has enough of them.
      if (call.writableNeedDrain || call.destroyed) return;
      const seen = this.#experts.tokensSeen();
      call.write(this.#state(loadsBetween(told, seen, this.#experts.config.experts)));
      told = seen;
    };
    const timer = setInterval(beat, everyMs);
    this.#beats.add(beat);
    call.once('close', () => {
      clearInterval(timer);
      this.#beats.delete(beat);
    });
    call.on('error', () => undefined);
    beat();
  }

  #state(expertLoads: expert.ExpertLoad[]): expert.StatsResponse {
    return {
      planEpoch: this.#experts.planEpoch,
      residentExperts: this.#experts.count,
      residentBytes: this.#experts.bytes,
      inFlightBytes: this.#unansweredBytes,
      expertLoads,
      draining: this.#draining,
      arithmetic: this.#experts.arithmetic,
    };
  }
}

function cannotListen(listen: string, error: Error): InvalidInput {
  const message = `cannot listen on ${listen}: ${messageOf(error)}. Choose host:port or unix:/path that is free`;
  return new InvalidInput([{ path: 'ARGOSY_INFERENCE_LISTEN', message }], { cause: error });
}

function loadsBetween(before: Float64Array, after: Float64Array, experts: number): expert.ExpertLoad[] {
  const loads: expert.ExpertLoad[] = [];
  for (const [at, tokens] of after.entries()) {
    const more = tokens - (before[at] ?? 0);
    if (more > 0) loads.push({ layer: Math.floor(at / experts), expertId: at % experts, tokens: more });
  }
  return loads;
}
