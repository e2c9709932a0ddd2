import type { GrpcTls } from '#model';
import type { Cluster, OtherOwners, ScaleTarget, TargetView } from '../cluster/cluster.ts';
import type { Action, PoolMemory, PoolPolicy, Signals } from '../core/state.ts';
import { tableOf } from '../core/unit-table.ts';
import { ownedBy, type Pool, type ScaleRecord, type Standing, signalsOf } from '../pool.ts';
import type { GroupPoolSetting } from '../settings.ts';
import { GroupContact } from './group-contact.ts';
import { demandOf, frontOf, type GroupView, isSilent, unitOf } from './group-unit.ts';

/** What a pool of groups works with. */
export interface GroupSurroundings {
  readonly cluster: Cluster;
  readonly scaling: ScaleRecord;
  readonly tls: GrpcTls | null;
  readonly now: () => number;
}

interface Member {
  readonly target: ScaleTarget;
  readonly contact: GroupContact;
  /** As it was last read. */
  view: TargetView;
  /** Since it was seen to drain, where nobody left in the cluster when it began. */
  drainsSinceMs: number | undefined;
}

/** A pool of inference groups. Each is an object of its own with all of its pods or none, and its coordinator says how it is. */
export class GroupPool implements Pool {
  readonly #setting: GroupPoolSetting;
  readonly #around: GroupSurroundings;
  readonly #members: readonly Member[];

  constructor(setting: GroupPoolSetting, around: GroupSurroundings) {
    this.#setting = setting;
    this.#around = around;
    this.#members = setting.groups.map(({ name, address }) => ({
      target: { kind: setting.kind, name },
      contact: new GroupContact(address, around.tls),
      view: { replicas: 0, version: '', pods: [] },
      drainsSinceMs: undefined,
    }));
  }

  get policy(): PoolPolicy {
    return this.#setting.policy;
  }

  close(): void {
    for (const { contact } of this.#members) contact.close();
  }

  async look(memory: PoolMemory | undefined, owners: OtherOwners): Promise<Standing> {
    const { cluster, scaling, now } = this.#around;
    const groups = await Promise.all(
      this.#members.map(async (member, ordinal) => {
        member.view = await cluster.read(member.target);
        return await this.#viewOf(member, ordinal);
      }),
    );
    const replicas = groups.filter(({ view }) => view.replicas > 0).length;
    const owned = this.#members.find(({ target }) => owners(target) !== undefined)?.target;
    if (owned !== undefined) return { replicas, ...ownedBy(owners(owned) ?? '', owned.name) };
    const [nowMs, steadyMs] = [now(), performance.now()];
    const silent = groups.find((group) => isSilent(group, nowMs, steadyMs));
    if (silent !== undefined) {
      const why = `${silent.name} is ready and does not tell its load. Look into its log, and whether policies let this process reach it`;
      return { replicas, units: tableOf([]), barred: { alarm: 'signals-missing', why } };
    }
    const units = groups.flatMap((group) => unitOf(group, nowMs) ?? []);
    return {
      replicas,
      units: tableOf(units),
      signals: this.#signals(groups, await signalsOf(scaling, { kind: 'inference' }, memory)),
    };
  }

  async #viewOf(member: Member, ordinal: number): Promise<GroupView> {
    const { target, contact, view } = member;
    contact.listen(view.replicas > 0);
    const { heard } = contact;
    const common = { name: target.name, ordinal, size: this.#setting.size, view, heard };
    if (heard?.load.draining !== true) {
      member.drainsSinceMs = undefined;
      return common;
    }
    const nowMs = this.#around.now();
    member.drainsSinceMs ??= nowMs;
    // Whoever led before may have a clock ahead of this one.
    const sinceMs = Math.min(nowMs, frontOf(common)?.drainsSinceMs ?? member.drainsSinceMs);
    const leftMs = Math.max(0, sinceMs + this.#setting.drainLimitMs - nowMs);
    try {
      return { ...common, draining: { ...(await contact.drain(leftMs)), sinceMs, isOver: leftMs === 0 } };
    } catch {
      // It is not known to hold nothing, and stays until it can be asked.
      return common;
    }
  }

  /**
   * Slots in use as the groups say, and beyond them the runs that have no session yet: refused ones, those that are due, and
   * those in work whose group is gone. No more than can be in work at a time.
   */
  #signals(groups: readonly GroupView[], runs: Signals): Signals {
    const { policy, mostRuns } = this.#setting;
    const active = groups.reduce((sum, group) => sum + demandOf(group, policy.slots), 0);
    const homeless = Math.max(0, runs.active - active);
    const waiting = Math.min(runs.waiting + homeless, Math.max(0, mostRuns - active));
    return { ...runs, active, waiting };
  }

  async perform(action: Action): Promise<void> {
    switch (action.kind) {
      case 'drain':
        // Known before it begins: whoever leads next goes by it.
        await this.#noteDrain(action.unit, this.#around.now());
        await this.#member(action.unit).contact.drain(this.#setting.drainLimitMs);
        return;
      case 'undrain':
        await this.#member(action.unit).contact.undrain();
        await this.#noteDrain(action.unit, null);
        return;
      case 'mend':
        await this.#write(this.#member(action.unit), this.#setting.size);
        return;
      case 'scale':
        for (const name of action.retire) await this.#write(this.#member(name), 0);
        for (const member of this.#absent(action.to - action.from + action.retire.length))
          await this.#write(member, this.#setting.size);
        return;
    }
  }

  async #noteDrain(name: string, sinceMs: number | null): Promise<void> {
    const front = frontOf({ name, view: this.#member(name).view });
    if (front !== undefined) await this.#around.cluster.setDrainStart(front.name, sinceMs);
  }

  #member(name: string): Member {
    const member = this.#members.find(({ target }) => target.name === name);
    if (member === undefined) throw new Error(`there is no group ${name}`);
    return member;
  }

  /** Groups to start: those whose last pods are gone before those that still hold a machine. */
  #absent(count: number): readonly Member[] {
    const absent = this.#members.filter(({ view }) => view.replicas === 0);
    return absent.toSorted((a, b) => a.view.pods.length - b.view.pods.length).slice(0, count);
  }

  async #write({ target, view }: Member, replicas: number): Promise<void> {
    await this.#around.cluster.writeScale(target, replicas, view.version);
  }
}
