import type { inference } from '#contracts/rpc';
import type { ChatRequest } from './chat-model.ts';
import type { Clock } from './clock.ts';
import { GrpcGroup, type GrpcTls } from './grpc-channel.ts';
import { LoadWatch } from './load-watch.ts';
import { type SessionDirectory, SessionRouter } from './routing/session-router.ts';

/** Longest wait for the first word of the groups' loads; a choice without them is fair as well. */
const firstLoadMs = 300;

export interface GroupsOptions {
  /** `host:port` of each. */
  readonly addresses: readonly string[];
  /** Of the model. */
  readonly name: string;
  readonly tls: GrpcTls | null;
  readonly directory: SessionDirectory | null;
  readonly clock: Clock;
}

/** The groups of one model: their connections, what is known of them, and whose home each is. */
export class GrpcGroups {
  readonly #options: GroupsOptions;
  readonly #byAddress: ReadonlyMap<string, GrpcGroup>;
  readonly #watches: readonly LoadWatch[];
  readonly router: SessionRouter;

  constructor(options: GroupsOptions) {
    const { addresses, tls, clock } = options;
    this.#options = options;
    this.#byAddress = new Map(addresses.map((address) => [address, new GrpcGroup(address, tls)]));
    const isOne = addresses.length === 1;
    // One group is every session's home, whatever anybody knows.
    this.router = new SessionRouter({ groups: addresses, clock, directory: isOne ? null : options.directory });
    this.#watches = isOne ? [] : [...this.#byAddress].map(([address, group]) => this.#watchOf(address, group));
  }

  /** @throws Error for an address that is none of the options' */
  at(address: string): GrpcGroup {
    const group = this.#byAddress.get(address);
    if (group === undefined) throw new Error(`${address} is none of the groups of ${this.#options.name}`);
    return group;
  }

  /** Watches loads while a turn is under way, and waits a little for the first. @returns ends that; call it once */
  async watched(signal: AbortSignal): Promise<() => void> {
    if (this.#watches.length === 0) return () => undefined;
    const ends = this.#watches.map((watch) => watch.hold());
    const enough = new AbortController();
    const first = Promise.all(this.#watches.map((watch) => watch.first));
    const late = this.#options.clock.sleep(firstLoadMs, AbortSignal.any([signal, enough.signal]));
    await Promise.race([first, late]);
    enough.abort();
    return () => {
      for (const end of ends) end();
    };
  }

  /** Asks one after the other until one answers. @throws the last one's ServiceError */
  async count(request: inference.CountTokensRequest): Promise<number> {
    let last: unknown;
    for (const group of this.#byAddress.values()) {
      try {
        return await group.count(request);
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  /** A session is over. */
  async release({ session, tenant = '' }: Pick<ChatRequest, 'session' | 'tenant'>): Promise<void> {
    const home = await this.router.end(this.keyOf({ session, tenant }));
    const told = home === null || !this.#byAddress.has(home) ? [...this.#byAddress.keys()] : [home];
    await Promise.all(told.map((address) => this.#tell(address, { session, tenant })));
  }

  /** A session went elsewhere. Nobody waits until its old homes know. */
  left(addresses: Iterable<string>, session: Pick<ChatRequest, 'session' | 'tenant'>): void {
    for (const address of addresses) void this.#tell(address, session);
  }

  async #tell(address: string, { session, tenant = '' }: Pick<ChatRequest, 'session' | 'tenant'>): Promise<void> {
    await this.at(address).release({ sessionId: session, tenant });
  }

  /** Names a session among those of all models and tenants. */
  keyOf({ session, tenant = '' }: Pick<ChatRequest, 'session' | 'tenant'>): string {
    return JSON.stringify([this.#options.name, tenant, session]);
  }

  #watchOf(address: string, group: GrpcGroup): LoadWatch {
    const heard = (load: inference.WatchLoadResponse): void => {
      this.router.heard(address, {
        reservedTokens: load.reservedTokens ?? null,
        totalTokens: load.kvTotalTokens ?? null,
        backlogTokens: load.prefillBacklogTokens ?? null,
        draining: load.draining === true,
      });
    };
    return new LoadWatch(group, { heard, lost: () => this.router.failed(address) }, this.#options.clock);
  }
}
