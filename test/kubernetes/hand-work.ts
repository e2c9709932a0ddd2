import type { BusyWorker, Decided, PoolRecord, ScaledRole, Work } from '#runs';
import type { Programs } from './fake-kubelet.ts';

interface HandWorker {
  readonly workerId: string;
  slots: number;
  busy: number;
  drainsSinceMs: number | null;
}

/** Work and workers in memory: jobs begin where there is room and end when a test says so. */
export class HandWork implements Programs {
  waiting = 0;
  arrived = 0;
  finished = 0;
  /** Jobs that a pod held when it was told to end. */
  handedOver = 0;
  readonly present = new Map<string, HandWorker>();
  readonly decided: Decided[] = [];
  /** What is read instead of what is true. */
  misread: Partial<Work> = {};
  /** How far its clock is ahead of this machine's, in ms. */
  aheadMs = 0;
  readonly #slots: number;
  readonly #role: ScaledRole;
  #records: readonly PoolRecord[] = [];
  #hung = Promise.withResolvers<void>();

  constructor(slots: number, role: ScaledRole = 'agent-worker') {
    this.#slots = slots;
    this.#role = role;
    this.#hung.resolve();
  }

  /** From now on no pod becomes ready. @returns ends that, also for those that wait */
  hang(): () => void {
    this.#hung = Promise.withResolvers();
    return this.#hung.resolve;
  }

  async start(pod: string): Promise<void> {
    await this.#hung.promise;
    const workerId = `${this.#role}-${pod}-1-00000000-1`;
    this.present.set(pod, { workerId, slots: this.#slots, busy: 0, drainsSinceMs: null });
    this.#begin();
  }

  async stop(pod: string): Promise<void> {
    const busy = this.present.get(pod)?.busy ?? 0;
    this.present.delete(pod);
    this.handedOver += busy;
    this.waiting += busy;
    this.#begin();
  }

  arrive(jobs: number): void {
    this.arrived += jobs;
    this.waiting += jobs;
    this.#begin();
  }

  /** Ends jobs of a pod. */
  finish(pod: string, jobs: number): void {
    const worker = this.present.get(pod);
    if (worker === undefined || worker.busy < jobs) throw new Error(`${pod} has no ${jobs} jobs`);
    worker.busy -= jobs;
    this.finished += jobs;
    this.#begin();
  }

  async work(_role: ScaledRole, _sinceMs: number): Promise<Work> {
    const active = [...this.present.values()].reduce((sum, { busy }) => sum + busy, 0);
    const flow = { arrived: this.arrived, finished: this.finished };
    this.arrived = 0;
    this.finished = 0;
    const atMs = Date.now() + this.aheadMs;
    return { atMs, waiting: this.waiting, active, oldestWaitMs: 0, ...flow, ...this.misread };
  }

  async workers(_role: ScaledRole): Promise<readonly BusyWorker[]> {
    return [...this.present.values()].map((worker) => ({ ...worker, ageMs: 0 }));
  }

  async drain(workerIds: readonly string[], drains: boolean): Promise<void> {
    for (const worker of this.present.values()) {
      if (!workerIds.includes(worker.workerId)) continue;
      worker.drainsSinceMs = drains ? Date.now() : null;
      worker.slots = drains ? 0 : this.#slots;
    }
    this.#begin();
  }

  async pools(): Promise<readonly PoolRecord[]> {
    return this.#records;
  }

  async record(decided: readonly Decided[]): Promise<void> {
    this.#records = decided.map(({ pool, memory, decision }) => ({ pool, memory, decision, atMs: Date.now() }));
    this.decided.push(...decided);
  }

  #begin(): void {
    for (const worker of this.present.values())
      while (this.waiting > 0 && worker.busy < worker.slots) {
        worker.busy++;
        this.waiting--;
      }
  }
}
