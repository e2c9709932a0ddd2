import type { ToolFault } from '#domain';
import { type Egress, EgressFault, type EgressResponse } from '#egress';
import { ArgosyError } from '#errors';
import type { Evidence } from './evidence.ts';
import type { Pace, PaceRule } from './pace.ts';
import { retryAfterMs } from './retry-after.ts';
import { allowsRobot, parseRobots, ROBOTS_BYTES, type RobotsRules } from './robots.ts';

/** What {@link Courtesy} works with. */
export interface CourtesyParts {
  readonly egress: Pick<Egress, 'fetch'>;
  readonly pace: Pace;
  readonly evidence: Evidence;
  /** Our product token in robots.txt. */
  readonly product: string;
  /** Hosts of the operator's own, which are asked as fast as they answer. */
  readonly unhurried: (url: URL) => boolean;
}

/** One request to a site. */
export interface Asking {
  readonly accept: string;
  /** Epoch ms, for a Retry-After that is a date. */
  readonly now: number;
  readonly signal: AbortSignal;
}

/** One request per second and host, two at once; robots.txt and the page that it allows may come together. */
const RULE: PaceRule = { perSecond: 1, burst: 2, parallel: 2, perDay: null };
/** Longest `Crawl-delay` that is kept, in seconds; a longer one would only make every call fail. */
const LONGEST_DELAY = 10;
const PATIENCE_MS = 25_000;

const ROBOTS_FRESH_MS = 24 * 3_600_000;
/** A site whose robots.txt has a fault is asked for it again after this. */
const ROBOTS_FAULT_MS = 60_000;

/** A host that failed this often in a row is left alone: at first this long, then twice as long each time. */
const FAILURES = 3;
const REST_MS = 30_000;
const LONGEST_REST_MS = 10 * 60_000;
/** Longest break that a Retry-After is granted: some ask for years. */
const LONGEST_ASKED_MS = 3_600_000;
/** Hosts whose failures are counted; the one that failed longest ago is forgotten first. */
const MOST_HOSTS = 5_000;

/** A redirect leads where robots may not go, or not now. */
class RedirectRefused extends ArgosyError {
  override readonly name = 'RedirectRefused';
  readonly code = 'redirect_refused';
  readonly retryable = false;
  readonly fault: ToolFault;
  constructor(fault: ToolFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/**
 * How a robot behaves at other people's sites: it keeps to their robots.txt (RFC 9309), asks no faster than they bear, and
 * leaves those alone that fail or ask for a break.
 */
export class Courtesy {
  readonly #parts: CourtesyParts;
  /** Failures in a row, by host. */
  readonly #failures = new Map<string, number>();

  constructor(parts: CourtesyParts) {
    this.#parts = parts;
  }

  /**
   * Fetches a page that its site lets robots have, when it is our turn; so for each site that it redirects to.
   * @throws EgressBlocked, EgressFault, Aborted as the fetch does
   */
  async fetch(url: URL, asking: Asking): Promise<EgressResponse | ToolFault> {
    const robots = await this.#robots(url, asking);
    if ('kind' in robots) return robots;
    const closed = closedBy(robots, url);
    if (closed) return closed;
    try {
      return await this.#paced(url, robots.delaySeconds, asking, async (to) => await this.#redirected(url, to, asking));
    } catch (error) {
      if (error instanceof RedirectRefused) return error.fault;
      throw error;
    }
  }

  /** Why robots may not have this page; null when they may. For a page that was reached by another way than {@link fetch}. */
  async closed(url: URL, asking: Asking): Promise<ToolFault | null> {
    const robots = await this.#robots(url, asking);
    return 'kind' in robots ? robots : closedBy(robots, url);
  }

  /** Runs `ask` when it is our turn at the host of `url`, for what reaches it by another way than {@link fetch}. */
  async inTurn<T>(url: URL, signal: AbortSignal, ask: () => Promise<T>, delaySeconds = 0): Promise<T | ToolFault> {
    const { pace, unhurried } = this.#parts;
    if (unhurried(url)) return await ask();
    const perSecond = 1 / Math.min(LONGEST_DELAY, Math.max(1, delaySeconds));
    const turn = await pace.turn(keyOf(url), { ...RULE, perSecond }, { patienceMs: PATIENCE_MS, signal });
    if (!turn.granted) return notOurTurn(url.host, turn.why, turn.retryAfterMs);
    try {
      return await ask();
    } finally {
      await turn.done();
    }
  }

  /** @throws RedirectRefused */
  async #redirected(from: URL, to: URL, asking: Asking): Promise<void> {
    const closed = await this.closed(to, asking);
    const fault = closed ?? (to.host === from.host ? null : await this.inTurn(to, asking.signal, async () => null));
    if (fault) throw new RedirectRefused(fault);
  }

  async #robots(url: URL, asking: Asking): Promise<RobotsRules | ToolFault> {
    const { evidence } = this.#parts;
    const wanted = { tenantId: null, key: `robots:${url.origin}`, freshMs: ROBOTS_FRESH_MS, signal: asking.signal };
    const { value } = await evidence.share<RobotsRules | ToolFault>(wanted, async (signal) => {
      const value = await this.#askForRobots(new URL('/robots.txt', url), { ...asking, accept: 'text/plain', signal });
      return { value, keepMs: 'kind' in value ? keepOf(value) : ROBOTS_FRESH_MS };
    });
    return value;
  }

  /** RFC 9309 2.3.1: what is not there forbids nothing, a server that fails forbids everything for now. */
  async #askForRobots(url: URL, asking: Asking): Promise<RobotsRules | ToolFault> {
    const reply = await this.#paced(url, 0, asking);
    if ('kind' in reply) return reply;
    if (reply.status === 429 || reply.status >= 500) {
      const message = `${url.host} answered ${reply.status} for its robots.txt, so its pages count as closed for now; try again later.`;
      return { kind: 'transient', message };
    }
    if (reply.status >= 300) return { rules: [], delaySeconds: 0 };
    const text = new TextDecoder().decode(reply.body.subarray(0, ROBOTS_BYTES));
    return parseRobots(text, this.#parts.product);
  }

  async #paced(
    url: URL,
    delaySeconds: number,
    { accept, signal, now }: Asking,
    onRedirect?: (to: URL) => Promise<void>,
  ): Promise<EgressResponse | ToolFault> {
    const ask = async () => {
      try {
        const request = { signal, accept, ...(onRedirect === undefined ? {} : { onRedirect }) };
        const reply = await this.#parts.egress.fetch(url.href, request);
        await this.#answered(url, reply, now);
        return reply;
      } catch (error) {
        if (error instanceof EgressFault && error.kind === 'transient') await this.#failed(url);
        throw error;
      }
    };
    return await this.inTurn(url, signal, ask, delaySeconds);
  }

  async #answered(url: URL, { status, headers }: EgressResponse, now: number): Promise<void> {
    const asked = retryAfterMs(headers['retry-after'], now);
    if (status === 429 || (status === 503 && asked !== null)) await this.#rest(url, asked ?? REST_MS);
    else if (status >= 500) await this.#failed(url);
    else this.#failures.delete(url.host);
  }

  async #failed(url: URL): Promise<void> {
    const times = (this.#failures.get(url.host) ?? 0) + 1;
    this.#failures.delete(url.host);
    this.#failures.set(url.host, times);
    for (const host of this.#failures.keys()) {
      if (this.#failures.size <= MOST_HOSTS) break;
      this.#failures.delete(host);
    }
    if (times >= FAILURES) await this.#rest(url, Math.min(LONGEST_REST_MS, REST_MS * 2 ** (times - FAILURES)));
  }

  async #rest(url: URL, ms: number): Promise<void> {
    const { pace, unhurried } = this.#parts;
    if (!unhurried(url)) await pace.rest(keyOf(url), Math.min(ms, LONGEST_ASKED_MS));
  }
}

function keyOf(url: URL): string {
  return `host:${url.host}`;
}

function closedBy(robots: RobotsRules, url: URL): ToolFault | null {
  if (allowsRobot(robots, url.pathname + url.search)) return null;
  return {
    kind: 'blocked',
    message: `The robots.txt of ${url.host} closes this page to programs; use another source.`,
  };
}

/** A fault of the site is kept for a while, one of the moment only for those who wait for it. */
function keepOf({ retryAfterMs }: ToolFault): number {
  return retryAfterMs === undefined ? ROBOTS_FAULT_MS : 0;
}

function notOurTurn(host: string, why: 'busy' | 'resting' | 'quota', retryAfterMs: number): ToolFault {
  const seconds = Math.ceil(retryAfterMs / 1_000);
  const told = {
    busy: `${host} is being read by others as fast as is polite`,
    resting: `${host} asked for a break or failed too often`,
    quota: `${host} has been asked as often as a day allows`,
  };
  const message = `${told[why]}; try again in ${seconds} s or use another source.`;
  return { kind: why === 'busy' ? 'transient' : 'quota', message, retryAfterMs };
}
