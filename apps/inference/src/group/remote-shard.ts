import { ChannelCredentials, Client } from '@grpc/grpc-js';
import { messageOf } from '#errors';
import type { LayerExperts } from '#moe';
import { channelOptions, shardKeepalive } from '../transport/channel.ts';
import { type Keepalive, keepaliveOptions } from '../transport/keepalive.ts';
import { ForwardCalls } from './forward-calls.ts';
import { type BeatLimits, Heartbeat } from './heartbeat.ts';
import { type Command, commandShard, loadCommands, unloadCommands } from './load-commands.ts';
import { type LayerLoad, type Shard, type ShardCall, ShardLost } from './shard.ts';

/** Times and bounds of the way to a shard. */
export interface RemoteLimits extends BeatLimits {
  /** Without progress in a load. */
  readonly loadMs: number;
  /** Of activations sent and of the answers to them; further ones wait. */
  readonly inFlightBytes: number;
  readonly keepalive: Keepalive;
}

export const usualRemoteLimits: RemoteLimits = {
  beatMs: 250,
  missedBeats: 3,
  openMs: 5_000,
  loadMs: 60_000,
  inFlightBytes: 32 * 2 ** 20,
  keepalive: shardKeepalive,
};

interface Connection {
  readonly client: Client;
  readonly heartbeat: Heartbeat;
  readonly calls: ForwardCalls;
  /** Aborts with the reason when the connection is given up. */
  readonly gone: AbortController;
}

/** A shard behind gRPC: a stream of activations, one of signs of life, and one for each change of what it holds. */
export class RemoteShard implements Shard {
  readonly name: string;
  readonly #limits: RemoteLimits;
  readonly #secured: ChannelCredentials;
  #arithmetic = '';
  #connection: Connection | null = null;
  #tell: (reason: ShardLost) => void = () => undefined;
  #tellDraining: () => void = () => undefined;

  /** @param address `host:port` or `unix:/path` @param secured plain text where not given */
  constructor(
    address: string,
    limits: RemoteLimits = usualRemoteLimits,
    secured = ChannelCredentials.createInsecure(),
  ) {
    this.name = address;
    this.#limits = limits;
    this.#secured = secured;
  }

  get arithmetic(): string {
    return this.#arithmetic;
  }

  get draining(): boolean {
    return this.#connection?.heartbeat.draining ?? false;
  }

  get inFlightBytes(): number {
    return this.#connection?.calls.inFlightBytes ?? 0;
  }

  onLost(listener: (reason: ShardLost) => void): void {
    this.#tell = listener;
  }

  onDraining(listener: () => void): void {
    this.#tellDraining = listener;
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#leave(new ShardLost(this.name, 'it is being opened anew'));
    const options = { ...channelOptions, ...keepaliveOptions(this.#limits.keepalive) };
    const client = new Client(this.name, this.#secured, options);
    const lose = (error: unknown): void => this.#lose(client, error);
    const heartbeat = new Heartbeat(client, this.#limits, { lose, draining: () => this.#tellDraining() });
    const calls = new ForwardCalls(client, this.#limits.inFlightBytes, lose);
    this.#connection = { client, heartbeat, calls, gone: new AbortController() };
    const onAbort = (): void => lose(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      const { arithmetic } = await heartbeat.first;
      this.#arithmetic = arithmetic;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async load(layers: readonly LayerLoad[], signal: AbortSignal): Promise<void> {
    await this.#command(loadCommands(layers), signal);
  }

  async unload(layers: readonly LayerExperts[], signal: AbortSignal): Promise<void> {
    await this.#command(unloadCommands(layers), signal);
  }

  async publish(planEpoch: number, signal: AbortSignal): Promise<void> {
    await this.#command([{ $case: 'publish', value: { planEpoch } }], signal);
  }

  async forward(call: ShardCall, signal: AbortSignal): Promise<Float32Array> {
    return await this.#connected().calls.ask(call, signal);
  }

  async close(): Promise<void> {
    this.#leave(new ShardLost(this.name, 'its coordinator has left it'));
  }

  async #command(commands: readonly Command[], signal: AbortSignal): Promise<void> {
    if (commands.length === 0) return;
    const { client, gone } = this.#connected();
    const either = AbortSignal.any([signal, gone.signal]);
    try {
      await commandShard(client, commands, { shard: this.name, stallMs: this.#limits.loadMs, signal: either });
    } catch (error) {
      throw gone.signal.aborted ? gone.signal.reason : error;
    }
  }

  #connected(): Connection {
    if (this.#connection === null) throw new ShardLost(this.name, 'it is not connected');
    return this.#connection;
  }

  #lose(client: Client, error: unknown): void {
    if (this.#connection?.client !== client) return;
    const reason = new ShardLost(this.name, messageOf(error), { cause: error });
    this.#leave(reason);
    this.#tell(reason);
  }

  #leave(reason: ShardLost): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.heartbeat.stop(reason);
    connection?.calls.fail(reason);
    connection?.gone.abort(reason);
    connection?.client.close();
  }
}
