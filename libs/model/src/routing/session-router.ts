import type { Clock } from '../clock.ts';
import { routes } from '../instruments.ts';
import { type Choice, chooseGroup, type GroupLoad, type GroupView, type SessionHome } from './choice.ts';
import { PrefixIndex } from './prefix-index.ts';
import type { PromptBlock } from './prompt-blocks.ts';

/** Where the sessions of all who share a directory have their homes. It answers within bounds, or throws. */
export interface SessionDirectory {
  find(session: string): Promise<SessionHome | null>;
  /**
   * Moves a session, if its epoch still is this one; 0 for one that has no entry.
   * @returns the entry that holds now, which is another one where somebody was faster
   */
  move(session: string, group: string, epoch: number): Promise<SessionHome>;
  forget(session: string): Promise<void>;
}

/** A turn that is to be asked for. */
export interface RoutedTurn {
  readonly session: string;
  /** False: it is the only turn of its session, and no home need be remembered. */
  readonly lasts: boolean;
  readonly blocks: readonly PromptBlock[];
  readonly promptTokens: number;
  readonly wantedTokens: number;
  /** Groups that have said no to this turn. */
  readonly refusing: ReadonlySet<string>;
}

/** The group that a turn goes to. */
export interface Route extends Choice {
  /** The home that the session leaves; null where there is none to be told. */
  readonly from: string | null;
}

export interface RouterOptions {
  /** Names of the groups, all different. */
  readonly groups: readonly string[];
  /** Null: this process knows its own sessions alone. */
  readonly directory: SessionDirectory | null;
  readonly clock: Pick<Clock, 'now'>;
}

/** What is told of a group is believed for so long. */
const loadHoldsMs = 5_000;
/** A group that did not answer is left alone for so long, and twice as long each time again. */
const firstRestMs = 1_000;
const longestRestMs = 30_000;
/** Sessions whose homes are remembered for the time without a directory. */
const mostSessions = 10_000;

interface GroupState {
  load: (GroupLoad & { readonly draining: boolean; readonly at: number }) | null;
  /** Reserved here since the load was told. */
  placedTokens: number;
  restsUntil: number;
  failures: number;
}

/** Sends the turns of sessions to groups, and remembers what it needs for that. One for each model of a process. */
export class SessionRouter {
  readonly #options: RouterOptions;
  readonly #groups: ReadonlyMap<string, GroupState>;
  readonly #index = new PrefixIndex();
  /** What was last known here, the least recently used first. */
  readonly #homes = new Map<string, string>();

  constructor(options: RouterOptions) {
    this.#options = options;
    const unknown = (): GroupState => ({ load: null, placedTokens: 0, restsUntil: 0, failures: 0 });
    this.#groups = new Map(options.groups.map((name) => [name, unknown()]));
  }

  /** @returns null when every group has refused the turn */
  async route(turn: RoutedTurn): Promise<Route | null> {
    const found = turn.lasts ? await this.#find(turn.session) : null;
    const choice = this.#choose(turn, found);
    if (choice === null) return null;
    if (choice.by === 'home' || !turn.lasts) return { ...choice, from: null };
    const settled = await this.#settle(turn, choice, found);
    const from = found !== null && found !== 'unknown' && found.group !== settled.group ? found.group : null;
    routes.add(1, { by: settled.by, left: settled.left ?? 'none' });
    return { ...settled, from: from !== null && this.#groups.has(from) ? from : null };
  }

  /** A group has taken a turn. */
  taken({ session, lasts, blocks }: RoutedTurn, group: string): void {
    if (lasts) {
      this.#index.note(blocks, group);
      this.#remember(session, group);
    }
    const state = this.#groups.get(group);
    if (state !== undefined) Object.assign(state, { failures: 0, restsUntil: 0 });
  }

  /** A group did not answer, or broke off. */
  failed(group: string): void {
    const state = this.#groups.get(group);
    if (state === undefined) return;
    const restMs = Math.min(firstRestMs * 2 ** state.failures, longestRestMs);
    state.failures += 1;
    state.load = null;
    state.restsUntil = this.#options.clock.now() + restMs;
    // What it had is gone in all likelihood, and costs little to be learnt anew.
    this.#index.forget(group);
  }

  /** A group tells how it is. */
  heard(group: string, load: GroupLoad & { readonly draining: boolean }): void {
    const state = this.#groups.get(group);
    if (state === undefined) return;
    Object.assign(state, {
      load: { ...load, at: this.#options.clock.now() },
      placedTokens: 0,
      restsUntil: 0,
      failures: 0,
    });
  }

  /** A session is over. @returns the group that had it; null where that is not known */
  async end(session: string): Promise<string | null> {
    const found = await this.#find(session);
    this.#homes.delete(session);
    await this.#options.directory?.forget(session).catch(() => undefined);
    return found === null || found === 'unknown' ? null : found.group;
  }

  /** By the directory; where that is away, by what was known here last. */
  async #find(session: string): Promise<SessionHome | null | 'unknown'> {
    const { directory } = this.#options;
    const known = this.#homes.get(session);
    const here = known === undefined ? null : { group: known, epoch: 0, ageMs: Number.POSITIVE_INFINITY };
    if (directory === null) return here;
    return await directory.find(session).catch(() => here ?? 'unknown');
  }

  #choose({ session, blocks, promptTokens, wantedTokens, refusing }: RoutedTurn, home: SessionHome | null | 'unknown') {
    const overlaps = this.#index.overlaps(blocks);
    const views = [...this.#groups].map(([name, state]) => this.#view(name, state, refusing));
    return chooseGroup({ session, promptTokens, wantedTokens, overlaps, home }, views);
  }

  #view(name: string, { load, placedTokens, restsUntil }: GroupState, refusing: ReadonlySet<string>): GroupView {
    const now = this.#options.clock.now();
    const known = load !== null && now - load.at < loadHoldsMs ? load : null;
    const reservedTokens = known?.reservedTokens == null ? null : known.reservedTokens + placedTokens;
    const view = { name, load: known === null ? null : { ...known, reservedTokens } };
    if (refusing.has(name)) return { ...view, state: 'refuses' };
    if (restsUntil > now) return { ...view, state: 'gone' };
    return { ...view, state: known?.draining === true ? 'draining' : 'open' };
  }

  /** Writes the choice down. Whoever was faster is followed, unless the group that it chose is none for this turn. */
  async #settle(turn: RoutedTurn, choice: Choice, found: SessionHome | null | 'unknown'): Promise<Choice> {
    const epoch = found === null || found === 'unknown' ? 0 : found.epoch;
    const mine = { group: choice.group, epoch, ageMs: 0 };
    const { group } =
      (await this.#options.directory?.move(turn.session, choice.group, epoch).catch(() => mine)) ?? mine;
    const state = this.#groups.get(group);
    const followed = group !== choice.group && state !== undefined && !turn.refusing.has(group);
    const settled: Choice = followed ? { group, by: 'home', left: null } : choice;
    const at = this.#groups.get(settled.group);
    if (at !== undefined && settled === choice) at.placedTokens += turn.wantedTokens;
    this.#remember(turn.session, settled.group);
    return settled;
  }

  #remember(session: string, group: string): void {
    this.#homes.delete(session);
    this.#homes.set(session, group);
    const [oldest] = this.#homes.keys();
    if (this.#homes.size > mostSessions && oldest !== undefined) this.#homes.delete(oldest);
  }
}
