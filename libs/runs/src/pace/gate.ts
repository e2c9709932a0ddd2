/** How fast one host or provider may be asked by all who share a gate. */
export interface PaceRule {
  /** Turns per second in the long run; above 0. */
  readonly perSecond: number;
  /** Turns that may begin at once after a quiet time; at least 1. */
  readonly burst: number;
  /** Turns under way at the same time; at least 1. */
  readonly parallel: number;
  /** Turns per UTC day; null for no limit. */
  readonly perDay: number | null;
}

/** Why there is no turn, and the least time until there may be one; `full`: when somebody gives theirs back. */
export interface Refusal {
  readonly granted: false;
  readonly why: 'rate' | 'full' | 'resting' | 'quota';
  readonly retryAfterMs: number;
}

/** A turn, until it is given back. */
export interface Grant {
  readonly granted: true;
  /** May come twice. A gate that is away by then forgets the turn by itself. */
  give(): Promise<void>;
}

/** What all who ask share of a key. It only answers; waiting is for {@link Pacing}. */
export interface Gate {
  /** Takes a turn if there is one now. */
  take(key: string, rule: PaceRule): Promise<Grant | Refusal>;
  /** No turns for this long, or longer where a longer rest was asked for already. */
  rest(key: string, ms: number): Promise<void>;
}

/** What a turn counts for when its holder died: longer than any request may take. */
export const usualHoldMs = 120_000;

/** What is known of a key. Instants are in milliseconds since 1970. */
export interface Standing {
  /** When all turns that were taken are paid off at the rate: "theoretical arrival time" of the GCRA (ATM Forum, 1996). */
  paidAt: number;
  restUntil: number;
  /** Days since 1970, and the turns taken on that day. */
  day: number;
  used: number;
  /** Turns under way: when each ends on its own account. */
  readonly held: Map<string, number>;
}

export const dayMs = 86_400_000;

/** Nothing was asked yet. */
export function newStanding(): Standing {
  return { paidAt: 0, restUntil: 0, day: 0, used: 0, held: new Map() };
}

/** Whether a key can be forgotten: a new standing would answer the same. */
export function isIdle({ paidAt, restUntil, day, used, held }: Standing, now: number): boolean {
  const counted = used > 0 && day === Math.floor(now / dayMs);
  return paidAt <= now && restUntil <= now && !counted && [...held.values()].every((until) => until <= now);
}

/** Why no turn can begin now; null: one can. */
export function refusalOf(standing: Standing, rule: PaceRule, now: number): Refusal | null {
  const refused = (why: Refusal['why'], retryAfterMs: number): Refusal => {
    return { granted: false, why, retryAfterMs: Math.ceil(retryAfterMs) };
  };
  if (standing.restUntil > now) return refused('resting', standing.restUntil - now);
  const today = Math.floor(now / dayMs);
  const used = standing.day === today ? standing.used : 0;
  if (rule.perDay !== null && used >= rule.perDay) return refused('quota', (today + 1) * dayMs - now);
  const wait = paidAtMost(standing.paidAt, rule, now) - (rule.burst - 1) * intervalMs(rule) - now;
  if (wait > 0) return refused('rate', wait);
  const held = [...standing.held.values()].filter((until) => until > now).length;
  return held >= rule.parallel ? refused('full', 0) : null;
}

/** Counts a turn that begins now. */
export function count(standing: Standing, rule: PaceRule, now: number): void {
  standing.paidAt = Math.max(paidAtMost(standing.paidAt, rule, now), now) + intervalMs(rule);
  if (rule.perDay === null) return;
  const today = Math.floor(now / dayMs);
  standing.used = (standing.day === today ? standing.used : 0) + 1;
  standing.day = today;
}

export function intervalMs({ perSecond }: Pick<PaceRule, 'perSecond'>): number {
  return 1000 / perSecond;
}

/** A clock that was set back, or a rule that was slower, must not close a gate for longer than this rule can. */
function paidAtMost(paidAt: number, rule: PaceRule, now: number): number {
  return Math.min(paidAt, now + rule.burst * intervalMs(rule));
}

/** @throws RangeError for a rule that no turn could keep */
export function checkRule({ perSecond, burst, parallel, perDay }: PaceRule): void {
  const sound = perSecond > 0 && burst >= 1 && parallel >= 1 && (perDay === null || perDay >= 0);
  if (!sound) throw new RangeError(`A pace needs perSecond > 0, burst >= 1, parallel >= 1 and perDay >= 0 or null.`);
}
