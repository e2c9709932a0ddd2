import { tmpdir } from 'node:os';
import { Aborted, Unavailable } from '#errors';
import { Chromium, type ChromiumOptions } from './chromium.ts';
import { sweepProfiles } from './profiles.ts';
import { type Rendered, RenderFault, Tab, type TabLimits } from './tab.ts';

/** How pages are rendered. */
export interface BrowserOptions extends ChromiumOptions {
  /** The egress proxy that a page's requests go by: the only way out that its context knows. */
  readonly proxyFor: (url: URL) => Promise<string>;
  readonly limits?: Partial<TabLimits>;
  /** Pages at the same time. Default: 2; more than there are cores only hide waiting. */
  readonly pages?: number;
  /** A browser is replaced after so many pages. Default: 100. */
  readonly recyclePages?: number;
  /** And after so long. Default: 15 minutes. */
  readonly recycleMs?: number;
  /** It is ended when nobody has wanted a page for so long: it takes 250 MB. Default: 2 minutes. */
  readonly idleMs?: number;
}

const DEFAULT_LIMITS: TabLimits = {
  loadMs: 20_000,
  settleMs: 6_000,
  quietMs: 400,
  requests: 300,
  htmlCharacters: 2_000_000,
  elements: 100_000,
};

/** One browser process and who uses it. */
interface Lease {
  readonly chromium: Promise<Chromium>;
  readonly since: number;
  pages: number;
  users: number;
  retired: boolean;
}

/**
 * Renders pages with the machine's Chromium, each in a context of its own. The browser starts with the first page, is
 * replaced from time to time, and ends when it is idle; one that hangs is killed with all its processes. What browsers of
 * killed processes left on this machine is taken away at the start.
 */
export class Browser {
  readonly #options: BrowserOptions;
  readonly #limits: TabLimits;
  readonly #waiting: (() => void)[] = [];
  readonly #leases = new Set<Lease>();
  #current: Lease | null = null;
  #free: number;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #swept: Promise<void>;

  constructor(options: BrowserOptions) {
    this.#options = options;
    // A folder that cannot be read holds nothing that could be swept.
    this.#swept = sweepProfiles(options.profiles ?? tmpdir()).catch(() => undefined);
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#free = options.pages ?? 2;
  }

  /**
   * The page at `url` as its scripts make it.
   * @throws RenderFault when the page cannot be had, Unavailable and DeadlineExceeded when the browser fails, Aborted
   */
  async render(url: URL, signal: AbortSignal): Promise<Rendered> {
    await this.#turn(signal);
    try {
      const proxyUrl = await this.#options.proxyFor(url);
      return await this.#leased(async (chromium) => {
        return await Tab.render(chromium.devTools, url.href, { proxyUrl, limits: this.#limits, signal });
      });
    } finally {
      this.#free++;
      this.#waiting.shift()?.();
    }
  }

  /** Ends the browser; pages under way fail. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.#swept;
    await Promise.all([...this.#leases].map((lease) => this.#end(lease)));
  }

  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#free === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const go = () => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        const leave = () => {
          this.#waiting.splice(this.#waiting.indexOf(go), 1);
          resolve();
        };
        this.#waiting.push(go);
        signal.addEventListener('abort', leave, { once: true });
      });
    }
    if (signal.aborted)
      throw new Aborted('The page was given up before its turn in the browser', { cause: signal.reason });
    this.#free--;
  }

  async #leased(use: (chromium: Chromium) => Promise<Rendered>): Promise<Rendered> {
    const lease = this.#lease();
    lease.users++;
    lease.pages++;
    try {
      return await use(await lease.chromium);
    } catch (error) {
      // Of a browser that does not answer only its end is sure to free what it holds.
      if (!(error instanceof RenderFault || error instanceof Aborted)) this.#retire(lease);
      throw error;
    } finally {
      lease.users--;
      if (lease.retired && lease.users === 0) await this.#end(lease);
      else this.#rest();
    }
  }

  #lease(): Lease {
    if (this.#closed) throw new Unavailable('The browser has been shut down.');
    clearTimeout(this.#idle);
    const { recyclePages = 100, recycleMs = 15 * 60_000, ...chromium } = this.#options;
    const now = performance.now();
    const worn = this.#current && (this.#current.pages >= recyclePages || now - this.#current.since >= recycleMs);
    if (this.#current && worn) this.#retire(this.#current);
    if (!this.#current) {
      this.#current = { chromium: Chromium.start(chromium), since: now, pages: 0, users: 0, retired: false };
      this.#current.chromium.catch(() => undefined);
      this.#leases.add(this.#current);
    }
    return this.#current;
  }

  /** No further page in it; it ends with its last one. */
  #retire(lease: Lease): void {
    lease.retired = true;
    if (this.#current === lease) this.#current = null;
    if (lease.users === 0) void this.#end(lease);
  }

  #rest(): void {
    clearTimeout(this.#idle);
    const lease = this.#current;
    if (!lease || lease.users > 0) return;
    this.#idle = setTimeout(() => this.#retire(lease), this.#options.idleMs ?? 120_000);
    this.#idle.unref();
  }

  async #end(lease: Lease): Promise<void> {
    if (!this.#leases.delete(lease)) return;
    if (this.#current === lease) this.#current = null;
    const chromium = await lease.chromium.catch(() => null);
    await chromium?.close();
  }
}
