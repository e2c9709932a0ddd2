import { createHash } from 'node:crypto';
import { type PromptBlock, SessionRouter } from '#model';
import { LocalSessions } from '#runs';
import type { SimulatedGroup } from './routing-group.ts';

/** A turn that looks for its group. */
export interface Looking {
  readonly session: string;
  readonly blocks: readonly PromptBlock[];
  readonly promptTokens: number;
  readonly wantedTokens: number;
  readonly refusing: ReadonlySet<string>;
}

/** One way to choose groups. */
export interface Policy {
  /** Whether groups reserve tokens for sessions and refuse others. */
  readonly admits: boolean;
  /** @returns null when all of them have refused */
  choose(turn: Looking): Promise<SimulatedGroup | null>;
  /** Told when a group has taken a turn, did not answer, or a session is over; and each second. */
  taken?(turn: Looking, group: SimulatedGroup): void;
  failed?(group: SimulatedGroup): void;
  over?(session: string): Promise<void>;
  tick?(): void;
}

/** Makes a policy for these groups. @param now of the simulation, in ms */
export type MakePolicy = (groups: readonly SimulatedGroup[], now: () => number) => Policy;

const least = (groups: readonly SimulatedGroup[], of: (group: SimulatedGroup) => number): SimulatedGroup | null =>
  groups.toSorted((a, b) => of(a) - of(b))[0] ?? null;

const roundRobin: MakePolicy = (groups) => {
  let turn = 0;
  return { admits: false, choose: async () => groups[turn++ % groups.length] ?? null };
};

const leastLoaded: MakePolicy = (groups) => {
  return { admits: false, choose: async () => least(groups, ({ inFlight }) => inFlight) };
};

/** Mirrokni, Thorup and Zadimoghaddam 2016; c = 1.25 and four turns of slack. */
const boundedHash: MakePolicy = (groups) => {
  const weight = (session: string, name: string) => createHash('sha256').update(`${session} ${name}`).digest('hex');
  const choose: Policy['choose'] = async ({ session }) => {
    const most = 1.25 * (groups.reduce((sum, { inFlight }) => sum + inFlight, 1) / groups.length) + 4;
    const ring = groups.toSorted((a, b) => (weight(session, a.name) < weight(session, b.name) ? -1 : 1));
    return ring.find(({ inFlight }) => inFlight < most) ?? ring[0] ?? null;
  };
  return { admits: false, choose };
};

/** What SGLang's router does by default: half of the prompt must match, and turns in flight are kept within 32 and 1.1. */
const radix =
  (admits: boolean): MakePolicy =>
  (groups) => {
    const seen = new Map(groups.map(({ name }) => [name, new Map<string, number>()]));
    const sizeOf = ({ name }: SimulatedGroup) => [...(seen.get(name)?.values() ?? [])].reduce((a, b) => a + b, 0);
    const choose: Policy['choose'] = async ({ session, promptTokens, refusing }) => {
      const open = groups.filter(({ name }) => !refusing.has(name));
      const loads = open.map(({ inFlight }) => inFlight);
      const [most, fewest] = [Math.max(...loads), Math.min(...loads)];
      if (most - fewest > 32 && most > 1.1 * fewest) return least(open, ({ inFlight }) => inFlight);
      const matchOf = ({ name }: SimulatedGroup) => (seen.get(name)?.get(session) ?? 0) / promptTokens;
      const best = least(open, (group) => -matchOf(group));
      return best !== null && matchOf(best) > 0.5 ? best : least(open, sizeOf);
    };
    return {
      admits,
      choose,
      taken: ({ session, promptTokens }, { name }) => void seen.get(name)?.set(session, promptTokens),
      over: async (session) => {
        for (const sessions of seen.values()) sessions.delete(session);
      },
    };
  };

/** The router and the directory of the agent workers, told of loads once a second as they are. */
const sticky: MakePolicy = (groups, now) => {
  const directory = new LocalSessions(now);
  const router = new SessionRouter({ groups: groups.map(({ name }) => name), directory, clock: { now } });
  const left = new Set<string>();
  return {
    admits: true,
    choose: async (turn) => {
      if (turn.refusing.size === 0) left.clear();
      const route = await router.route({ ...turn, lasts: true });
      if (route !== null && route.from !== null) left.add(route.from);
      return groups.find(({ name }) => name === route?.group) ?? null;
    },
    taken: (turn, { name }) => {
      router.taken({ ...turn, lasts: true }, name);
      // As the client of the workers does: homes that a session has left give up what they have of it.
      for (const group of groups) if (left.has(group.name) && group.name !== name) group.forget(turn.session, now());
    },
    failed: ({ name }) => router.failed(name),
    over: async (session) => void (await router.end(session)),
    tick: () => {
      for (const group of groups) {
        if (group.isDead) router.failed(group.name);
        else router.heard(group.name, loadOf(group, now()));
      }
    },
  };
};

function loadOf(group: SimulatedGroup, now: number) {
  const reservedTokens = group.admission.reservedTokens(now);
  const totalTokens = group.admission.totalTokens;
  return { reservedTokens, totalTokens, backlogTokens: group.backlogTokens(now), draining: false };
}

/** By the names that rows show. */
export const policies: Readonly<Record<string, MakePolicy>> = {
  'round robin': roundRobin,
  'least loaded': leastLoaded,
  'hash, bounded load': boundedHash,
  'approximate radix': radix(false),
  'radix + admission': radix(true),
  'sticky + admission': sticky,
};
