/** Which group answers the next turn of a session. No clock, no I/O: the router around it knows and remembers. */
import { byRendezvous } from './rendezvous.ts';

/** A group as it is seen from here. */
export interface GroupView {
  readonly name: string;
  /** `gone`: it did not answer lately. `refuses`: it has said no to this very turn. */
  readonly state: 'open' | 'draining' | 'gone' | 'refuses';
  /** Null where nothing is known, or nothing new enough; a part that the group does not tell is null, too. Never zero for that. */
  readonly load: GroupLoad | null;
}

export interface GroupLoad {
  /** For its sessions together. */
  readonly reservedTokens: number | null;
  readonly totalTokens: number | null;
  /** Prompt tokens not yet computed. */
  readonly backlogTokens: number | null;
}

/** What the directory says of a session. */
export interface SessionHome {
  readonly group: string;
  /** Grows by one with each move. */
  readonly epoch: number;
  /** Since it moved there. */
  readonly ageMs: number;
}

/** A turn that looks for its group. */
export interface TurnToPlace {
  readonly session: string;
  /** Of its prompt; estimated. */
  readonly promptTokens: number;
  /** What a group would reserve for the session. */
  readonly wantedTokens: number;
  /** Of its prompt, what each group has seen. */
  readonly overlaps: ReadonlyMap<string, number>;
  /** Null: it is new. `unknown`: the directory could not be asked. */
  readonly home: SessionHome | null | 'unknown';
}

/** Why a session stays, or is where it is. */
export type PlacedBy = 'home' | 'prefix' | 'room' | 'hash';
/** Why a session leaves its home; `missing`: no group has that name. */
export type LeftFor = 'gone' | 'draining' | 'refuses' | 'missing' | 'slow';

export interface Choice {
  readonly group: string;
  readonly by: PlacedBy;
  /** Null for a session that was nowhere, or stays. */
  readonly left: LeftFor | null;
}

/** Less in common than this is not worth a fuller group. */
const leastOverlapTokens = 1_024;
/** A session that has just moved stays. */
const leastStayMs = 30_000;
/** A home is slow when moving costs less than this part of staying: two that are about equal pass nothing to and fro. */
const muchLess = 0.5;

/**
 * A session stays at its home. It moves when that is gone, draining, refuses it or does not exist, or when there is so much
 * before it in line that computing all of it elsewhere is done in less than half the time; both are counted in prompt
 * tokens, so that nobody's speed need be known. A new one goes where most of its prompt was seen, else where the least
 * part is reserved; what is not known counts as neither empty nor full, and comes after what has room. Without a directory
 * the hash decides, so that all who cannot ask agree.
 * @returns null when every group has refused
 */
export function chooseGroup(turn: TurnToPlace, groups: readonly GroupView[]): Choice | null {
  const { home } = turn;
  const there = isHome(home) ? groups.find(({ name }) => name === home.group) : undefined;
  const left = isHome(home) ? reasonToLeave(turn, home, there, groups) : null;
  if (there !== undefined && left === null) return { group: there.name, by: 'home', left: null };
  const [next] = left === 'slow' ? byCost(turn, groups) : byRank(turn, groups, there);
  if (next === undefined) return null;
  // Nowhere is better than a home that drains, or that may be back.
  if (next.name === there?.name) return { group: next.name, by: 'home', left: null };
  return { group: next.name, by: placedBy(turn, next), left };
}

function isHome(home: TurnToPlace['home']): home is SessionHome {
  return home !== null && home !== 'unknown';
}

function reasonToLeave(
  turn: TurnToPlace,
  home: SessionHome,
  there: GroupView | undefined,
  groups: readonly GroupView[],
): LeftFor | null {
  if (there === undefined) return 'missing';
  if (there.state !== 'open') return there.state;
  const waiting = there.load?.backlogTokens ?? null;
  if (waiting === null || home.ageMs < leastStayMs) return null;
  const [best] = byCost(turn, groups);
  return best !== undefined && best !== there && costAt(turn, best) < muchLess * waiting ? 'slow' : null;
}

/** Those that are open, soonest first. */
function byCost(turn: TurnToPlace, groups: readonly GroupView[]): GroupView[] {
  return groups.filter(({ state }) => state === 'open').toSorted((a, b) => costAt(turn, a) - costAt(turn, b));
}

/** In prompt tokens until the reply begins. Infinite where the group does not say how much is before it, or is full. */
function costAt(turn: TurnToPlace, { name, load }: GroupView): number {
  if (load?.backlogTokens == null || shareOf(turn, load) === 'full') return Number.MAX_VALUE;
  return load.backlogTokens + Math.max(0, turn.promptTokens - (turn.overlaps.get(name) ?? 0));
}

/** Those that are open, the most fitting first; where none is, the others. */
function byRank(turn: TurnToPlace, groups: readonly GroupView[], there: GroupView | undefined): GroupView[] {
  const open = groups.filter(({ state }) => state === 'open');
  return open.length > 0 ? ranked(turn, open) : leftOver(turn, groups, there);
}

/** Best first. */
function ranked(turn: TurnToPlace, groups: readonly GroupView[]): GroupView[] {
  const hashed = byRendezvous(
    turn.session,
    groups.map(({ name }) => name),
  );
  const order = new Map(hashed.map((name, place) => [name, place]));
  const ordered = groups.toSorted((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
  if (turn.home === 'unknown') return ordered;
  // A sort that is stable leaves those that are equal in the order of the hash.
  return ordered.toSorted((a, b) => worthOf(turn, b) - worthOf(turn, a) || shareFor(turn, a) - shareFor(turn, b));
}

/** Nobody is open: those that drain, then those that may be back; a session's own home before others of its kind. */
function leftOver(turn: TurnToPlace, groups: readonly GroupView[], there: GroupView | undefined): GroupView[] {
  return (['draining', 'gone'] as const).flatMap((state) => {
    const such = ranked(
      turn,
      groups.filter((group) => group.state === state),
    );
    return there?.state === state ? [there, ...such.filter((group) => group !== there)] : such;
  });
}

/** What having seen the prompt is worth; nothing where there is no room for the rest. */
function worthOf(turn: TurnToPlace, { name, load }: GroupView): number {
  const overlap = turn.overlaps.get(name) ?? 0;
  return overlap < leastOverlapTokens || shareOf(turn, load) === 'full' ? 0 : overlap;
}

/** The share that is reserved; or that there is no room for another session, or that it is not known. */
function shareOf({ wantedTokens }: TurnToPlace, load: GroupLoad | null): number | 'full' | 'unknown' {
  const { reservedTokens, totalTokens } = load ?? {};
  if (reservedTokens == null || totalTokens == null) return 'unknown';
  const fits = reservedTokens === 0 || reservedTokens + wantedTokens <= totalTokens;
  return fits ? reservedTokens / totalTokens : 'full';
}

function shareFor(turn: TurnToPlace, { load }: GroupView): number {
  const share = shareOf(turn, load);
  if (share === 'unknown') return 1;
  return share === 'full' ? 2 : share;
}

function placedBy(turn: TurnToPlace, group: GroupView): PlacedBy {
  if (turn.home === 'unknown') return 'hash';
  if (worthOf(turn, group) > 0) return 'prefix';
  return typeof shareOf(turn, group.load) === 'number' ? 'room' : 'hash';
}
