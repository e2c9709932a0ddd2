import type { inference } from '#contracts/rpc';
import { ArgosyError, messageOf } from '#errors';
import { GrpcGroup, type GrpcTls, LoadWatch, systemClock } from '#model';

/** What a group said last of its load, and when, in ms of the steady clock. */
export interface Heard {
  readonly load: inference.WatchLoadResponse;
  readonly atMs: number;
}

/** How far a group's draining is. */
export type Draining = Pick<inference.DrainResponse, 'residentSessions' | 'running'>;

/** Speaks with the coordinator of one group. */
export class GroupContact {
  readonly #address: string;
  readonly #group: GrpcGroup;
  readonly #watch: LoadWatch;
  #heard: Heard | undefined;
  #leave: (() => void) | undefined;

  constructor(address: string, tls: GrpcTls | null) {
    this.#address = address;
    this.#group = new GrpcGroup(address, tls);
    const listener = {
      heard: (load: inference.WatchLoadResponse): void => {
        this.#heard = { load, atMs: performance.now() };
      },
      lost: (): void => {
        this.#heard = undefined;
      },
    };
    this.#watch = new LoadWatch(this.#group, listener, systemClock);
  }

  /** Listens to its load while it is asked for, and only then. */
  listen(wanted: boolean): void {
    if (wanted) this.#leave ??= this.#watch.hold();
    else this.#mute();
  }

  get heard(): Heard | undefined {
    return this.#heard;
  }

  /** Has it take no new session, for good; a repeat tells how far it is. @throws GroupAway */
  async drain(deadlineMs: number): Promise<Draining> {
    return await this.#asked('drain', { deadlineMs, cancel: false });
  }

  /** Has it take sessions again. @throws GroupAway */
  async undrain(): Promise<void> {
    await this.#asked('take sessions again', { deadlineMs: 0, cancel: true });
  }

  close(): void {
    this.#mute();
    this.#group.close();
  }

  #mute(): void {
    this.#leave?.();
    this.#leave = undefined;
    this.#heard = undefined;
  }

  async #asked(what: string, request: inference.DrainRequest): Promise<Draining> {
    try {
      return await this.#group.drain(request);
    } catch (cause) {
      throw new GroupAway(this.#address, what, messageOf(cause), { cause });
    }
  }
}

/** A group could not be asked for something. */
class GroupAway extends ArgosyError {
  override readonly name = 'GroupAway';
  readonly code = 'group_away';
  readonly retryable = true;
  constructor(address: string, what: string, why: string, options?: ErrorOptions) {
    super(`The inference group at ${address} could not be asked to ${what}: ${why}. It is asked again.`, options);
  }
}
