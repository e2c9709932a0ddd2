import { messageOf } from '#errors';
import type { GrpcTls } from '#model';
import type { LogFields, Logger } from '#platform';
import { type Cluster, Overtaken } from './cluster/cluster.ts';
import { decide } from './core/decide.ts';
import type { Action, Decision, FleetState, PoolMemory, Purse } from './core/state.ts';
import { GroupPool } from './groups/group-pool.ts';
import { actionsTaken, stating } from './instruments.ts';
import { type Leadership, LeadLost, whileLeading } from './leadership.ts';
import { type Pool, readPool, type ScaleRecord } from './pool.ts';
import { purseName, recalled } from './recall.ts';
import type { ScaleSettings } from './settings.ts';
import { WorkerPool } from './worker-pool.ts';

export interface AutoscalerOptions {
  readonly settings: ScaleSettings;
  /** Between two rounds, and between two renewals of the lead. */
  readonly roundMs: number;
  readonly renewMs: number;
}

/** What an autoscaler works with. */
export interface ScalerSurroundings {
  readonly cluster: Cluster;
  readonly scaling: ScaleRecord;
  readonly leadership: Leadership;
  /** Of the way to inference groups; null for plain text. */
  readonly tls: GrpcTls | null;
  readonly logger: Logger;
  readonly now: () => number;
}

/** Sizes pools in rounds, while it has the lead: reads, decides, acts, and leaves in the record why. */
export class Autoscaler {
  readonly #around: ScalerSurroundings;
  readonly #options: AutoscalerOptions;
  readonly #pools: readonly Pool[];
  readonly #timers: NodeJS.Timeout[] = [];
  #memories = new Map<string, PoolMemory>();
  #purse: Purse | undefined;
  /** What was learned before this process had the lead has been read. */
  #recalled = false;
  #busy: Promise<void> = Promise.resolve();
  #renewing: Promise<void> | null = null;
  #rounding = false;
  #decisions: readonly Decision[] = [];
  #complaint = '';
  #led = false;
  #endStating: () => void = () => undefined;

  constructor(around: ScalerSurroundings, options: AutoscalerOptions) {
    this.#around = around;
    this.#options = options;
    const cluster = whileLeading(around.cluster, around.leadership);
    this.#pools = options.settings.pools.map((pool) =>
      pool.role === 'inference'
        ? new GroupPool(pool, { ...around, cluster })
        : new WorkerPool(pool, cluster, around.scaling),
    );
  }

  start(): void {
    const { roundMs, renewMs } = this.#options;
    this.#endStating = stating(() => ({ leads: this.#around.leadership.leads, decisions: this.#decisions }));
    this.#timers.push(
      setInterval(() => this.#renew(), renewMs),
      setInterval(() => this.#round(), roundMs),
    );
    this.#renew();
  }

  /** Ends the round under way and leaves the lead to another. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#endStating();
    await this.#renewing;
    await this.#busy;
    for (const pool of this.#pools) pool.close();
    // Without the API server, the lead ends by itself.
    await this.#around.leadership.resign().catch(() => undefined);
  }

  #renew(): void {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = null;
    });
  }

  async #renewOnce(): Promise<void> {
    const { leadership, logger } = this.#around;
    try {
      await leadership.strive();
    } catch (error) {
      this.#complain(messageOf(error));
    }
    // Also where the API server is away, and the lead has run out.
    const { leads } = leadership;
    if (leads !== this.#led) logger.log('info', leads ? 'took the lead' : 'lost the lead');
    if (leads && !this.#led) this.#recalled = false;
    this.#led = leads;
    if (leads && !this.#recalled) this.#round();
  }

  #round(): void {
    if (this.#rounding || !this.#around.leadership.leads) return;
    this.#rounding = true;
    this.#busy = this.#roundOnce().finally(() => {
      this.#rounding = false;
    });
  }

  async #roundOnce(): Promise<void> {
    try {
      if (!this.#recalled) await this.#recall();
      const owners = this.#around.cluster.otherOwners();
      const pools = await Promise.all(
        this.#pools.map((pool) => readPool(pool, this.#memories.get(pool.policy.name), owners)),
      );
      const nowMs = this.#around.now();
      const { budgets } = this.#options.settings;
      const state: FleetState = { nowMs, pools, budgets, ...(this.#purse === undefined ? {} : { purse: this.#purse }) };
      const { decisions, purse } = decide(state);
      const acted: Decision[] = [];
      for (const decision of decisions) acted.push(await this.#act(decision));
      if (!this.#around.leadership.leads) return;
      await this.#keep(acted, purse);
      this.#complain('');
    } catch (error) {
      // The stores or the API server may be away for a moment: nothing moves, and the next round finds out anew.
      this.#complain(messageOf(error));
    }
  }

  /** @returns the decision, with what stood in its way */
  async #act(decision: Decision): Promise<Decision> {
    const { leadership, logger } = this.#around;
    const { pool: name, actions, alarms, reasons } = decision;
    const pool = this.#pools.find(({ policy }) => policy.name === name);
    for (const action of actions) {
      if (pool === undefined || !leadership.leads) return decision;
      try {
        await pool.perform(action);
        actionsTaken.add(1, { pool: name, kind: action.kind });
        logger.log('info', 'scaled', { ...told(action), why: reasons.join('; ') });
      } catch (error) {
        // The rest of this pool waits for the next round.
        logger.log('warn', 'not scaled', { ...told(action), message: messageOf(error) });
        if (error instanceof Overtaken || error instanceof LeadLost) return decision;
        return { ...decision, alarms: [...alarms, 'not-done'], reasons: [...reasons, messageOf(error)] };
      }
    }
    return decision;
  }

  /** What another learned before. */
  async #recall(): Promise<void> {
    const { memories, purse, unreadable } = recalled(await this.#around.scaling.pools());
    this.#memories = new Map(memories);
    this.#purse = purse;
    const message = 'What another autoscaler learned is not of a form that this release knows.';
    for (const pool of unreadable) this.#around.logger.log('warn', 'learns anew', { pool, message });
    this.#recalled = true;
  }

  async #keep(decisions: readonly Decision[], purse: Purse): Promise<void> {
    const before = new Map(this.#decisions.map((decision) => [decision.pool, decision]));
    const decided = decisions.map(({ memory, ...decision }) => {
      const last = before.get(decision.pool);
      const notable = decision.actions.length > 0 || outline(last) !== outline(decision);
      return { pool: decision.pool, memory: memory ?? null, decision, notable };
    });
    for (const { pool, memory } of decisions) if (memory !== undefined) this.#memories.set(pool, memory);
    for (const { pool, decision, notable } of decided)
      if (notable && decision.alarms.length > 0)
        this.#around.logger.log('warn', 'alarm', {
          pool,
          alarms: decision.alarms.join(' '),
          why: decision.reasons.join('; '),
        });
    this.#purse = purse;
    this.#decisions = decisions;
    await this.#around.scaling.record([...decided, { pool: purseName, memory: purse, decision: {}, notable: false }]);
  }

  #complain(message: string): void {
    if (message !== '' && message !== this.#complaint) this.#around.logger.log('error', 'holds', { message });
    this.#complaint = message;
  }
}

function outline(decision: Pick<Decision, 'target' | 'alarms'> | undefined): string {
  return decision === undefined ? '' : `${decision.target} ${decision.alarms.join(' ')}`;
}

/** An action as the log has it. */
function told(action: Action): LogFields {
  if (action.kind !== 'scale') return action;
  const { retire, ...rest } = action;
  return { ...rest, retire: retire.join(' ') };
}
