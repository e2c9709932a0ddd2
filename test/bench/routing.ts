import type { PromptBlock } from '#model';
import { type Benchmark, percentile, type Row, round } from './result.ts';
import { type Begun, type GroupSize, SimulatedGroup, type SimulatedTurn } from './routing-group.ts';
import { type Looking, type MakePolicy, type Policy, policies } from './routing-policies.ts';

/** What two A100 of 80 GB hold of a model of 30 billion parameters, and their speeds, rounded. */
const size: GroupSize = { kvTokens: 750_000, prefillPerMs: 8, decodePerMs: 0.045 };
const groupCount = 8;
const turns = 45;
const firstTokens = 3_000;
const lastTokens = 110_000;
const replyTokens = 500;
const toolMs = 5_000;
const wantedTokens = 0.75 * lastTokens;
const warmMs = 600_000;
const endMs = 2_400_000;
const loads = [16, 32, 64, 128, 160, 320];
/** Of the chances; what is near to each other is compared by the run in the middle. */
const seeds = [7, 8, 9];

/** Where sessions of agents with growing contexts are computed: who asks is simulated, who decides is the code of service. */
export const routing: Benchmark = async (say) => {
  const rows: Row[] = [];
  for (const agents of loads) {
    say(`${agents} agents`);
    for (const [policy, make] of Object.entries(policies)) {
      const tried = policy.endsWith('admission') ? seeds : seeds.slice(0, 1);
      const runs: Row[] = [];
      for (const seed of tried) runs.push(await new Simulation(make, { agents, seed }).measured());
      const [middle] = runs
        .toSorted((a, b) => Number(a['turns_per_s']) - Number(b['turns_per_s']))
        .slice(tried.length >> 1);
      rows.push({ policy, agents, runs: tried.length, ...middle });
    }
  }
  const [seed = 0] = seeds;
  const ours = policies['sticky + admission'] ?? missing();
  const lost = await new Simulation(ours, { agents: 64, seed, lossAt: 1_500_000 }).measured();
  rows.push({ policy: 'sticky + admission, a group lost', agents: 64, ...lost });
  return {
    params: {
      ...{ groups: groupCount, 'KV tokens of a group': size.kvTokens, turns, 'first prompt': firstTokens },
      ...{ 'last prompt': lastTokens, 'reply tokens': replyTokens, 'tools, mean ms': toolMs },
      ...{ 'prefill, tokens/s': 8_000, 'decode, tokens/s': 45, 'simulated s': endMs / 1000 },
    },
    rows,
    ratios: ratiosOf(rows),
  };
};

function missing(): never {
  throw new Error('there is no such policy');
}

function ratiosOf(rows: readonly Row[]): Record<string, number> {
  const speed = (policy: string, agents: number): number =>
    Number(rows.find((row) => row['policy'] === policy && row['agents'] === agents)?.['turns_per_s']);
  const ours = loads.map((agents) => ({ agents, speed: speed('sticky + admission', agents) }));
  const peak = ours.toSorted((a, b) => b.speed - a.speed)[0] ?? missing();
  const beyond = ours.filter(({ agents }) => agents >= 2 * peak.agents).map((one) => one.speed / peak.speed);
  const saturated = ours.filter(({ agents }) => agents >= 128).map((one) => one.speed / peak.speed);
  return {
    'sticky + admission to radix + admission, least over all loads': round(
      Math.min(...ours.map((one) => one.speed / speed('radix + admission', one.agents))),
      3,
    ),
    'sticky + admission to round robin, 64 agents': round(
      speed('sticky + admission', 64) / speed('round robin', 64),
      2,
    ),
    'sticky + admission at twice its peak load and more, to the peak': round(Math.min(1, ...beyond), 3),
    'sticky + admission at 128 agents and more, to the peak': round(Math.min(...saturated), 3),
    'sessions moved by the loss of one group of eight': Number(rows.at(-1)?.['moved_share']),
  };
}

interface Agent {
  readonly number: number;
  life: number;
  turn: number;
  home: string | null;
}

/** The same numbers for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Course {
  readonly agents: number;
  readonly seed: number;
  /** When a group is lost. */
  readonly lossAt?: number;
}

/** Agents that ask, wait for their tools, and ask again; one that is done is followed by another. */
class Simulation {
  readonly #policy: Policy;
  readonly #groups: readonly SimulatedGroup[];
  readonly #agents: readonly Agent[];
  readonly #random: () => number;
  readonly #due: { at: number; what: () => Promise<void> }[] = [];
  readonly #firstTokenMs: number[] = [];
  readonly #waitMs: number[] = [];
  readonly #lossAt: number | undefined;
  #now = 0;
  #done = 0;
  #prompts = 0;
  #cached = 0;
  #refusals = 0;
  #before = new Map<string, string>();
  #moved = 0;

  constructor(make: MakePolicy, { agents, seed, lossAt }: Course) {
    this.#random = chance(seed);
    this.#groups = Array.from({ length: groupCount }, (_, i) => new SimulatedGroup(`group ${i}`, size));
    this.#policy = make(this.#groups, () => this.#now);
    this.#lossAt = lossAt;
    this.#agents = Array.from({ length: agents }, (_, number) => {
      const turn = Math.floor(this.#random() * turns);
      return { number, life: 0, turn, home: null };
    });
  }

  async measured(): Promise<Row> {
    this.#policy.tick?.();
    for (const agent of this.#agents) this.#at(this.#random() * 20_000, () => this.#ask(agent));
    for (let at = 1_000; at < endMs; at += 1_000) this.#at(at, async () => this.#policy.tick?.());
    if (this.#lossAt !== undefined) this.#at(this.#lossAt, async () => this.#lose());
    for (let next = this.#due.pop(); next !== undefined && next.at < endMs; next = this.#due.pop()) {
      this.#now = next.at;
      await next.what();
    }
    const loss = this.#lossAt === undefined ? {} : { moved_share: round(this.#moved / this.#before.size, 4) };
    return {
      turns_per_s: round((this.#done * 1000) / (endMs - warmMs), 3),
      cached_share: round(this.#cached / this.#prompts, 3),
      first_token_p95_s: round(percentile(this.#firstTokenMs, 0.95) / 1000, 2),
      admission_wait_p95_s: round(percentile(this.#waitMs, 0.95) / 1000, 1),
      refusals: this.#refusals,
      ...loss,
    };
  }

  /** Latest first, so that the next is at the end. */
  #at(at: number, what: () => Promise<void>): void {
    let [low, high] = [0, this.#due.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#due[middle]?.at ?? 0) > at) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, { at, what });
  }

  async #ask(agent: Agent, since = this.#now): Promise<void> {
    const session = `agent ${agent.number}, life ${agent.life}`;
    const promptTokens = Math.round(firstTokens + ((lastTokens - firstTokens) * agent.turn) / (turns - 1));
    const looking = { session, blocks: blocksOf(session, agent.turn), promptTokens, wantedTokens };
    const refusing = new Set<string>();
    let retryMs = Number.POSITIVE_INFINITY;
    for (;;) {
      const group = await this.#policy.choose({ ...looking, refusing });
      if (group === null) break;
      const waitMs = this.#asked(group, looking);
      if (waitMs === null) {
        this.#begin(agent, group, { session, promptTokens, replyTokens, arrivedAt: this.#now }, since);
        this.#policy.taken?.({ ...looking, refusing }, group);
        return;
      }
      retryMs = Math.min(retryMs, waitMs);
      refusing.add(group.name);
    }
    this.#refusals += 1;
    // As the client of the workers spreads them.
    this.#at(this.#now + retryMs * (1 + this.#random() / 4), () => this.#ask(agent, since));
  }

  /** @returns null when the group takes the turn, else after how long it may */
  #asked(group: SimulatedGroup, { session, promptTokens }: Pick<Looking, 'session' | 'promptTokens'>): number | null {
    if (group.isDead) {
      this.#policy.failed?.(group);
      return 1_000;
    }
    if (!this.#policy.admits) return null;
    return group.admission.admit(session, Math.max(wantedTokens, promptTokens), this.#now);
  }

  #begin(agent: Agent, group: SimulatedGroup, turn: SimulatedTurn, since: number): void {
    const before = this.#before.get(turn.session);
    if (before !== undefined && before !== group.name && agent.home === before) this.#moved += 1;
    if (this.#now >= warmMs && agent.home === null) this.#waitMs.push(this.#now - since);
    agent.home = group.name;
    this.#schedule(group, group.arrive(turn, this.#now));
  }

  #schedule(group: SimulatedGroup, begun: readonly Begun[]): void {
    for (const one of begun) {
      if (one.firstTokenAt >= warmMs) {
        this.#firstTokenMs.push(one.firstTokenAt - one.turn.arrivedAt);
        this.#prompts += one.turn.promptTokens;
        this.#cached += one.cachedTokens;
      }
      this.#at(one.endsAt, async () => await this.#end(group, one.turn));
    }
  }

  async #end(group: SimulatedGroup, turn: SimulatedTurn): Promise<void> {
    if (group.isDead) return;
    const agent =
      this.#agents.find(({ number, life }) => turn.session === `agent ${number}, life ${life}`) ?? missing();
    if (this.#now >= warmMs) this.#done += 1;
    if (this.#policy.admits) group.admission.ended(turn.session, turn.promptTokens + turn.replyTokens, this.#now);
    this.#schedule(group, group.end(turn, this.#now));
    agent.turn += 1;
    if (agent.turn === turns) {
      group.forget(turn.session, this.#now);
      await this.#policy.over?.(turn.session);
      Object.assign(agent, { life: agent.life + 1, turn: 0, home: null });
    }
    this.#at(this.#now - toolMs * Math.log(1 - this.#random()), () => this.#ask(agent));
  }

  /** A group dies; what it was at is asked for again at once. */
  #lose(): void {
    const [group = missing()] = this.#groups;
    for (const { number, life, home } of this.#agents) {
      if (home !== null) this.#before.set(`agent ${number}, life ${life}`, home);
    }
    const lost = new Set(group.die());
    for (const agent of this.#agents) {
      if (lost.has(`agent ${agent.number}, life ${agent.life}`)) this.#at(this.#now, () => this.#ask(agent));
    }
  }
}

/** The system prompt, which all begin with, and a block for each turn. */
function blocksOf(session: string, turn: number): PromptBlock[] {
  const own = Array.from({ length: turn + 1 }, (_, i) => ({ hash: `${session} ${i}`, tokens: 2_378, common: false }));
  return [{ hash: 'system', tokens: 2_500, common: true }, ...own];
}
