import { ArgosyError } from '#errors';
import { type Cluster, type LeaseView, Overtaken } from './cluster/cluster.ts';

/** Times of a leadership, in ms. `limitMs` after its last renewal a leader stops acting, `durationMs` after it another may begin. */
export interface LeaseTimes {
  readonly durationMs: number;
  readonly limitMs: number;
}

/** Every time that follows from how long a Lease is. */
export interface LeadTimes extends LeaseTimes {
  /** Between two renewals. */
  readonly renewMs: number;
  /** Longest wait for the API server: what was begun before the limit is over before another begins. */
  readonly answerMs: number;
}

export function leadTimes(leaseMs: number): LeadTimes {
  return { durationMs: leaseMs, limitMs: (leaseMs * 2) / 3, renewMs: leaseMs / 6, answerMs: leaseMs / 3 };
}

const usualLease = leadTimes(30_000);
/** Nobody is waited for longer, whatever a Lease says. */
const mostMs = 600_000;

/** What leadership needs to know of time: one that only grows, and one for others to read. */
export interface Clocks {
  readonly steadyMs: () => number;
  readonly date: () => Date;
}

/**
 * Leadership by a Lease. Whether another's has run out is measured by how long this process has seen it unchanged, so
 * that clocks may differ; its own ends earlier, by its own clock, counted from before the renewal was asked for.
 */
export class Leadership {
  readonly #cluster: Cluster;
  readonly #name: string;
  readonly #holder: string;
  readonly #clocks: Clocks;
  readonly #times: LeaseTimes;
  #seen: { readonly version: string; readonly atMs: number } | undefined;
  #renewedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    cluster: Cluster,
    identity: { name: string; holder: string },
    clocks: Clocks,
    times: LeaseTimes = usualLease,
  ) {
    this.#cluster = cluster;
    this.#name = identity.name;
    this.#holder = identity.holder;
    this.#clocks = clocks;
    this.#times = times;
  }

  /** Whether this process may act now. To be asked before every act. */
  get leads(): boolean {
    return this.#clocks.steadyMs() - this.#renewedAtMs < this.#times.limitMs;
  }

  /** Takes or keeps the lead where that is possible. @returns whether it has it. @throws ClusterAway, Forbidden */
  async strive(): Promise<boolean> {
    const startedAtMs = this.#clocks.steadyMs();
    const found = await this.#cluster.readLease(this.#name);
    if (found !== undefined && !this.#mayTake(found)) {
      this.#renewedAtMs = Number.NEGATIVE_INFINITY;
      return false;
    }
    try {
      await this.#write(this.#holder, found);
      this.#renewedAtMs = startedAtMs;
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
      this.#renewedAtMs = Number.NEGATIVE_INFINITY;
    }
    return this.leads;
  }

  /** Gives the lead up, so that another has it at once. */
  async resign(): Promise<void> {
    if (!this.leads) return;
    this.#renewedAtMs = Number.NEGATIVE_INFINITY;
    const found = await this.#cluster.readLease(this.#name);
    if (found?.holder === this.#holder) await this.#write('', found);
  }

  #mayTake(lease: LeaseView): boolean {
    const nowMs = this.#clocks.steadyMs();
    if (this.#seen?.version !== lease.version) this.#seen = { version: lease.version, atMs: nowMs };
    if (lease.holder === this.#holder || lease.holder === '') return true;
    // A Lease that does not say how long it is, of another form than ours, is taken for one as long as ours.
    const durationMs = lease.durationMs > 0 ? lease.durationMs : this.#times.durationMs;
    return nowMs - this.#seen.atMs >= Math.min(durationMs, mostMs);
  }

  async #write(holder: string, found: LeaseView | undefined): Promise<void> {
    const renewedAt = this.#clocks.date().toISOString();
    const lease = { holder, durationMs: this.#times.durationMs, renewedAt };
    await this.#cluster.writeLease(this.#name, lease, found?.version);
  }
}

/** The lead was over before something was done. */
export class LeadLost extends ArgosyError {
  override readonly name = 'LeadLost';
  readonly code = 'lead_lost';
  readonly retryable = true;
  constructor(what: string) {
    super(`The lead was over before this process could ${what}. Whoever has it decides anew.`);
  }
}

/** A cluster that nothing is changed in once the lead is over, also in the middle of an action. */
export function whileLeading(cluster: Cluster, leadership: Pick<Leadership, 'leads'>): Cluster {
  const insist = (what: string): void => {
    if (!leadership.leads) throw new LeadLost(what);
  };
  return {
    read: async (target) => await cluster.read(target),
    otherOwners: async () => await cluster.otherOwners(),
    readLease: async (name) => await cluster.readLease(name),
    writeLease: async (name, lease, version) => await cluster.writeLease(name, lease, version),
    async writeScale(target, replicas, version) {
      insist(`scale ${target.name}`);
      await cluster.writeScale(target, replicas, version);
    },
    async setCost(pod, cost) {
      insist(`annotate pod ${pod}`);
      await cluster.setCost(pod, cost);
    },
    async setDrainStart(pod, sinceMs) {
      insist(`annotate pod ${pod}`);
      await cluster.setDrainStart(pod, sinceMs);
    },
  };
}
