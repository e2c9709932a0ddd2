import {
  type Action,
  decide,
  type PoolMemory,
  type PoolPolicy,
  type PoolState,
  type Signals,
  tableOf,
  type Unit,
} from '#autoscaler';

interface Held {
  name: string;
  ordinal: number;
  createdAtMs: number;
  readyAtMs: number;
  drainingSinceMs: number | undefined;
  /** When each of its jobs is done. */
  doneAtMs: number[];
}

/** What a round did to a pool. */
export interface Round {
  readonly target: number;
  readonly wanted: number;
  readonly active: number;
  readonly waiting: number;
  /** Units removed by the round while they held jobs. */
  readonly killed: number;
}

export const plainPolicy: PoolPolicy = {
  name: 'agents',
  min: 0,
  max: 60,
  slots: 4,
  fill: 1,
  foresight: 0,
  windowMs: 300_000,
  deadBand: 0.1,
  waitLimitMs: 600_000,
  coldStartMs: 60_000,
  drainLimitMs: 86_400_000,
  victims: 'any',
  gpusPerUnit: 0,
  costPerUnitHour: 0,
  weight: 1,
};

/** A pool in rounds of 15 s that does what decide() says, as a ReplicaSet or a StatefulSet would. */
export class ToyPool {
  nowMs = 1_000_000;
  readonly units: Held[] = [];
  memory: PoolMemory | undefined;
  private replicas = 0;
  private waiting: { arrivedAtMs: number; tookMs: number }[] = [];
  private arrived = 0;
  private finished = 0;
  private born = 0;
  readonly policy: PoolPolicy;
  private readonly startMs: number;

  constructor(policy: PoolPolicy, startMs = 60_000) {
    this.policy = policy;
    this.startMs = startMs;
  }

  /** Jobs that come now, each with the time it takes. */
  arrive(tookMs: readonly number[]): void {
    this.arrived += tookMs.length;
    for (const each of tookMs) this.waiting.push({ arrivedAtMs: this.nowMs, tookMs: each });
    this.fill();
  }

  /** One round of decide() and what follows from it, then 15 s go by. */
  round(given: Partial<Signals> = {}): Round {
    const { decisions } = decide({ nowMs: this.nowMs, pools: [this.state(given)], budgets: unbounded });
    const decision = decisions[0];
    if (decision === undefined) throw new Error('a pool went in and no decision came out');
    this.memory = decision.memory;
    const { active, waiting } = this.signals();
    const killed = decision.actions.reduce((sum, action) => sum + this.perform(action), 0);
    this.pass(15_000);
    return { target: decision.target, wanted: decision.wanted, active, waiting, killed };
  }

  state(given: Partial<Signals> = {}): PoolState {
    const memory = this.memory === undefined ? {} : { memory: this.memory };
    const units = tableOf(this.units.map((unit) => this.view(unit)));
    return { policy: this.policy, replicas: this.replicas, units, signals: { ...this.signals(), ...given }, ...memory };
  }

  signals(): Signals {
    const active = this.units.reduce((sum, { doneAtMs }) => sum + doneAtMs.length, 0);
    const oldest = this.waiting[0]?.arrivedAtMs ?? this.nowMs;
    const totals = { arrivedTotal: this.arrived, finishedTotal: this.finished };
    return { atMs: this.nowMs, waiting: this.waiting.length, active, ...totals, oldestWaitMs: this.nowMs - oldest };
  }

  private view({ name, ordinal, createdAtMs, readyAtMs, drainingSinceMs, doneAtMs }: Held): Unit {
    const ready = readyAtMs <= this.nowMs;
    const common = { name, ordinal, createdAtMs, busy: doneAtMs.length, remaining: Math.max(0, ...doneAtMs) };
    if (drainingSinceMs !== undefined) return { ...common, phase: 'draining', readyAtMs, drainingSinceMs };
    return ready ? { ...common, phase: 'ready', readyAtMs } : { ...common, phase: 'starting' };
  }

  private perform(action: Action): number {
    if (action.kind === 'scale') return this.scale(action.to, action.retire);
    const unit = this.units.find(({ name }) => name === action.unit);
    if (unit === undefined) throw new Error(`no unit ${action.unit}`);
    if (action.kind === 'drain') unit.drainingSinceMs = this.nowMs;
    if (action.kind === 'undrain') unit.drainingSinceMs = undefined;
    this.fill();
    return 0;
  }

  /** Removes as the set would: of an ordered one the last; else what is not ready, then what is marked, then any. */
  private scale(to: number, retire: readonly string[]): number {
    this.replicas = to;
    while (this.units.length < to) this.bear();
    const rank = (unit: Held): number => (unit.readyAtMs > this.nowMs ? 0 : retire.includes(unit.name) ? 1 : 2);
    const last = this.policy.victims === 'last';
    const order = this.units.toSorted((a, b) => (last ? b.ordinal - a.ordinal : rank(a) - rank(b)));
    const gone = order.slice(0, Math.max(0, this.units.length - to));
    for (const unit of gone) this.units.splice(this.units.indexOf(unit), 1);
    return gone.filter(({ doneAtMs }) => doneAtMs.length > 0).length;
  }

  private bear(): void {
    const taken = new Set(this.units.map(({ ordinal }) => ordinal));
    let ordinal = 0;
    while (taken.has(ordinal)) ordinal++;
    const readyAtMs = this.nowMs + this.startMs;
    const name = `unit-${this.born++}`;
    this.units.push({ name, ordinal, createdAtMs: this.nowMs, readyAtMs, drainingSinceMs: undefined, doneAtMs: [] });
  }

  private pass(ms: number): void {
    this.nowMs += ms;
    for (const unit of this.units) {
      const left = unit.doneAtMs.filter((at) => at > this.nowMs);
      this.finished += unit.doneAtMs.length - left.length;
      unit.doneAtMs = left;
    }
    this.fill();
  }

  private fill(): void {
    for (const unit of this.units) {
      if (unit.readyAtMs > this.nowMs || unit.drainingSinceMs !== undefined) continue;
      while (unit.doneAtMs.length < this.policy.slots) {
        const job = this.waiting.shift();
        if (job === undefined) return;
        unit.doneAtMs.push(this.nowMs + job.tookMs);
      }
    }
  }
}

export const unbounded = { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 };
