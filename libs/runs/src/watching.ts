import { isTerminal } from '#domain';
import { topics } from './bus.ts';
import type { Core } from './ports.ts';
import { eventPage, type Position, readEvents, readPositions, type StoredEvent } from './store/views.ts';

/** A run of a tenant. */
interface Place {
  readonly tenantId: string;
  readonly runId: string;
}

/** Last events of a run that are kept for those who watch it; whoever is further behind reads the database. */
const mostRecent = 100;

/** Runs that one statement asks for. */
const runsAtOnce = 500;

/** Looks in a row that may fail before those who watch are told. */
const mostFaults = 3;

/** What this process knows of a run that somebody here watches. */
class Watch {
  readonly place: Place;
  /** Ends the subscription to hints. */
  unsubscribe: () => void = () => undefined;
  /** Called when there is something new. */
  readonly watchers = new Set<() => void>();
  /** Number of the last event that is known of; null before the first look. */
  head: number | null = null;
  ended = false;
  faults = 0;
  /** Why nothing more can be known. */
  failure: unknown = null;
  /** Whether somebody looks now, and whether to look once more after that. */
  looking = false;
  again = false;
  /** Reads under way, by the number that they begin behind: many who come back at once are at the same place. */
  readonly reads = new Map<number, Promise<readonly StoredEvent[]>>();
  /** The last events up to `head`, without gaps. */
  #recent: StoredEvent[] = [];

  constructor(place: Place) {
    this.place = place;
  }

  /** What comes behind number `last`, as far as it is known; null where that is too long ago to be kept. */
  since(last: number): readonly StoredEvent[] | null {
    if (this.head === null) return [];
    const newer = this.head - last;
    if (newer <= 0) return [];
    return newer > this.#recent.length ? null : this.#recent.slice(-newer);
  }

  add(events: readonly StoredEvent[]): void {
    const latest = events.at(-1);
    if (latest === undefined) return;
    this.head = latest.seq;
    this.ended = isTerminal(latest.type);
    this.#recent = [...this.#recent, ...events].slice(-mostRecent);
    this.wake();
  }

  wake(): void {
    for (const watcher of this.watchers) watcher();
  }
}

/**
 * Follows runs for all who watch them in this process: one subscription and one look at the database for each run that has
 * moved, one statement for five hundred that have not, however many watch. Events are kept in bounds; a watcher that takes
 * them slowly holds up nobody.
 */
export class Watching {
  readonly #core: Pick<Core, 'bus' | 'database' | 'settings'>;
  readonly #watches = new Map<string, Watch>();
  #timer: NodeJS.Timeout | undefined;
  #polling = false;

  constructor(core: Pick<Core, 'bus' | 'database' | 'settings'>) {
    this.#core = core;
  }

  /** What there is, whenever there is something: durable events behind number `after` until the terminal one, or until the signal fires. Ends early when the run is gone. */
  async *batches(place: Place, after: number, signal: AbortSignal): AsyncGenerator<readonly StoredEvent[]> {
    let [isNew, wake, last] = [false, () => {}, after];
    const onNews = (): void => {
      isNew = true;
      wake();
    };
    const watch = this.#enter(place, onNews);
    signal.addEventListener('abort', onNews);
    try {
      while (!signal.aborted) {
        isNew = false;
        if (watch.failure !== null) throw watch.failure;
        const { ended } = watch;
        const events = watch.since(last) ?? (await this.#past(watch, last));
        const latest = events.at(-1);
        if (latest !== undefined) {
          if (signal.aborted) return;
          last = latest.seq;
          yield events;
          continue;
        }
        if (ended) return;
        if (!isNew) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', onNews);
      this.#leave(watch, onNews);
    }
  }

  /** The same, one by one. */
  async *events(place: Place, after: number, signal: AbortSignal): AsyncGenerator<StoredEvent> {
    for await (const events of this.batches(place, after, signal)) {
      for (const event of events) {
        if (signal.aborted) return;
        yield event;
      }
    }
  }

  #enter(place: Place, onNews: () => void): Watch {
    const topic = topics.moved(place.tenantId, place.runId);
    const known = this.#watches.get(topic);
    const watch = known ?? new Watch(place);
    watch.watchers.add(onNews);
    if (known !== undefined) return watch;
    this.#watches.set(topic, watch);
    // Listens before it looks, so that nothing falls between the two.
    watch.unsubscribe = this.#core.bus.subscribe(topic, () => void this.#look(watch));
    void this.#look(watch);
    this.#schedule();
    return watch;
  }

  #leave(watch: Watch, onNews: () => void): void {
    watch.watchers.delete(onNews);
    if (watch.watchers.size === 0) this.#drop(watch);
  }

  #drop(watch: Watch): void {
    const topic = topics.moved(watch.place.tenantId, watch.place.runId);
    watch.unsubscribe();
    if (this.#watches.get(topic) === watch) this.#watches.delete(topic);
    if (this.#watches.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** A look has failed. Whoever begins to watch after too many of them begins anew. */
  #fault(watch: Watch, error: unknown): void {
    watch.faults += 1;
    if (watch.faults < mostFaults) return;
    watch.failure = error;
    this.#drop(watch);
    watch.wake();
  }

  #schedule(): void {
    if (this.#polling || this.#watches.size === 0) return;
    this.#timer ??= setTimeout(() => void this.#poll(), this.#core.settings.pollMs);
  }

  async #read({ tenantId, runId }: Place, after: number): Promise<StoredEvent[]> {
    return await readEvents(this.#core.database.forTenant(tenantId), tenantId, runId, after);
  }

  /** The same for watchers that are behind, once for all that are at one place. */
  async #past(watch: Watch, after: number): Promise<readonly StoredEvent[]> {
    const begun = watch.reads.get(after);
    if (begun !== undefined) return await begun;
    const read = this.#read(watch.place, after).finally(() => watch.reads.delete(after));
    watch.reads.set(after, read);
    return await read;
  }

  /** One look at a time; what is said meanwhile is one more look. */
  async #look(watch: Watch): Promise<void> {
    watch.again = true;
    if (watch.looking) return;
    watch.looking = true;
    try {
      while (watch.again && watch.watchers.size > 0) {
        watch.again = false;
        await this.#catchUp(watch);
      }
      watch.faults = 0;
    } catch (error) {
      // The next poll sees that there is something to look at.
      this.#fault(watch, error);
    } finally {
      watch.looking = false;
    }
  }

  async #catchUp(watch: Watch): Promise<void> {
    const { tenantId, runId } = watch.place;
    if (watch.head === null) {
      const positions = await readPositions(this.#core.database.forTenant(tenantId), tenantId, [runId]);
      const { last, ended } = positions.get(runId) ?? gone;
      watch.head = last;
      watch.ended = ended;
      watch.wake();
      return;
    }
    for (;;) {
      const events = await this.#read(watch.place, watch.head);
      watch.add(events);
      if (events.length < eventPage) return;
    }
  }

  /** For hints that were lost, and runs that are gone. */
  async #poll(): Promise<void> {
    this.#timer = undefined;
    this.#polling = true;
    const byTenant = Map.groupBy(this.#watches.values(), ({ place }) => place.tenantId);
    for (const [tenantId, watches] of byTenant) {
      for (let at = 0; at < watches.length; at += runsAtOnce) {
        await this.#pollSome(tenantId, watches.slice(at, at + runsAtOnce));
      }
    }
    this.#polling = false;
    this.#schedule();
  }

  async #pollSome(tenantId: string, watches: readonly Watch[]): Promise<void> {
    const ids = watches.map(({ place }) => place.runId);
    let positions: ReadonlyMap<string, Position>;
    try {
      positions = await readPositions(this.#core.database.forTenant(tenantId), tenantId, ids);
    } catch (error) {
      for (const watch of watches) this.#fault(watch, error);
      return;
    }
    for (const watch of watches) {
      const position = positions.get(watch.place.runId);
      if (position === undefined) {
        watch.ended = true;
        watch.wake();
      } else if (watch.head === null || position.last > watch.head) void this.#look(watch);
      else watch.faults = 0;
    }
  }
}

/** Of a run that is not there. */
const gone: Position = { last: 0, ended: true };
