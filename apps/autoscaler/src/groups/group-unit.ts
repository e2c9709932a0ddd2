import type { PodView, TargetView } from '../cluster/cluster.ts';
import type { Unit } from '../core/unit-table.ts';
import type { Draining, Heard } from './group-contact.ts';

/** A group that said nothing for so long is not known; one that has just become ready may not have been asked yet. */
const silentMs = 30_000;

/** One group as the cluster and its coordinator have it. */
export interface GroupView {
  readonly name: string;
  readonly ordinal: number;
  /** Pods of a whole group. */
  readonly size: number;
  readonly view: TargetView;
  readonly heard: Heard | undefined;
  /** Where it drains; absent where it does not, or cannot be asked. */
  readonly draining?: Draining & { readonly sinceMs: number; readonly isOver: boolean };
}

/** Sessions that it has or generates for, whichever are more: what it would take elsewhere. */
function sessionsOf({ heard, draining }: GroupView): number {
  const { running = 0, waiting = 0, residentSessions = 0 } = heard?.load ?? {};
  return Math.max(residentSessions, running + waiting, draining?.residentSessions ?? 0, draining?.running ?? 0);
}

/** Slots that a group has in use: its sessions, or the tokens reserved for them, where these run out first. */
export function demandOf(group: GroupView, slots: number): number {
  const { reservedTokens = 0, kvTotalTokens = 0 } = group.heard?.load ?? {};
  const byTokens = kvTotalTokens > 0 ? Math.ceil((slots * reservedTokens) / kvTotalTokens) : 0;
  return Math.max(sessionsOf(group), byTokens);
}

/**
 * A whole group as a unit; undefined for one that is scaled to 0 and gone. It serves once it is ready, also before it was heard,
 * and for as long as it has sessions, so that a group that lost a shard is not taken for one that starts.
 */
export function unitOf(group: GroupView, nowMs: number): Unit | undefined {
  const { name, ordinal, size, view, heard } = group;
  const { replicas, pods } = view;
  if (replicas === 0 && pods.length === 0) return undefined;
  const front = frontOf(group);
  const createdAtMs = front?.createdAtMs ?? nowMs;
  const common = { name, ordinal, busy: sessionsOf(group), remaining: heard?.load.kvUsedTokens ?? 0, createdAtMs };
  if (replicas === 0) return { ...common, phase: 'leaving' };
  const whole = { ...common, partial: replicas !== size };
  const ready = front?.readyAtMs === undefined ? {} : { readyAtMs: front.readyAtMs };
  if (front?.readyAtMs === undefined && common.busy === 0) return { ...whole, phase: 'starting' };
  if (heard?.load.draining !== true) return { ...whole, ...ready, phase: 'ready' };
  return { ...whole, ...ready, ...drained(group), phase: 'draining' };
}

/** When its time to drain is over, sessions that nobody uses hold it no longer: their next turn finds another group. */
function drained({ draining }: GroupView): Partial<Unit> & { readonly busy: number } {
  if (draining === undefined) return { busy: 1 };
  const { running, residentSessions, isOver, sinceMs } = draining;
  return { busy: isOver ? running : Math.max(running, residentSessions), drainingSinceMs: sinceMs };
}

/** Whether its load is not known: it told none lately, though it is ready for long enough. */
export function isSilent(group: GroupView, nowMs: number, steadyMs: number): boolean {
  const { view, heard } = group;
  if (view.replicas === 0) return false;
  if (heard !== undefined) return steadyMs - heard.atMs > silentMs;
  return nowMs - (frontOf(group)?.readyAtMs ?? nowMs) > silentMs;
}

/** The pod that answers for the group: the first of a StatefulSet, the only one of a Deployment. */
export function frontOf({ name, view: { pods } }: Pick<GroupView, 'name' | 'view'>): PodView | undefined {
  return pods.find((pod) => pod.name === `${name}-0`) ?? (pods.length === 1 ? pods[0] : undefined);
}
