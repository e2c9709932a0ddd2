import { messageOf } from '#errors';
import type { Logger } from '#platform';
import { type Census, type Runs, topics } from '#runs';
import { putBack, stating } from './instruments.ts';

export interface DispatcherOptions {
  /** Unique among all dispatchers. */
  readonly workerId: string;
  /** Longest time between two looks at the backlog. */
  readonly everyMs: number;
}

/** Time between two counts of runs and workers, which look at every unfinished run. */
const countMs = 5_000;

/**
 * Moves fair shares of the backlog to the agent workers, and puts back what got stranded. Looks at once when a run is
 * accepted, ends or is handed back, and otherwise at a steady pace. Of several dispatchers one is at work; the others
 * wait for its lease.
 */
export class Dispatcher {
  readonly #runs: Runs;
  readonly #options: DispatcherOptions;
  readonly #logger: Logger;
  #unsubscribe: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The look under way, and whether another was asked for meanwhile. */
  #looking: Promise<void> | null = null;
  #again = false;
  #leads = false;
  /** Set at the steady pace; a hint that a run waits asks for no more than a look at the backlog. */
  #reconcileDue = false;
  /** The last complaint, which is not repeated with every look. */
  #complaint = '';
  /** As of `#countedAt`. */
  #census: Census | null = null;
  #countedAt = Number.NEGATIVE_INFINITY;
  /** Kinds of calls that wait for workers that are not there. */
  #unoffered = '';
  #endStating: () => void = () => undefined;

  constructor(runs: Runs, options: DispatcherOptions, logger: Logger) {
    this.#runs = runs;
    this.#options = options;
    this.#logger = logger;
  }

  start(): void {
    this.#endStating = stating(() => ({ leads: this.#isAtWork, census: this.#isAtWork ? this.#census : null }));
    this.#unsubscribe = this.#runs.bus.subscribe(topics.backlog, () => this.#look());
    this.#timer = setInterval(() => this.#lookAround(), this.#options.everyMs);
    this.#lookAround();
  }

  /** Ends the look under way and leaves the duty to another dispatcher. */
  async stop(): Promise<void> {
    this.#endStating();
    this.#unsubscribe();
    clearInterval(this.#timer);
    this.#again = false;
    await this.#looking;
    // Without the database, the duty ends by itself.
    if (this.#leads) await this.#runs.resign(this.#options.workerId).catch(() => undefined);
  }

  /** What it knew before a failed look may be old. */
  get #isAtWork(): boolean {
    return this.#leads && this.#complaint === '';
  }

  #lookAround(): void {
    this.#reconcileDue = true;
    this.#look();
  }

  #look(): void {
    if (this.#looking !== null) {
      this.#again = true;
      return;
    }
    this.#looking = this.#lookOnce().finally(() => {
      this.#looking = null;
      if (this.#again) {
        this.#again = false;
        this.#look();
      }
    });
  }

  async #lookOnce(): Promise<void> {
    try {
      if (this.#reconcileDue) await this.#reconcile();
      if (!this.#leads) return;
      const rung = await this.#runs.dispatch();
      if (rung > 0) this.#logger.log('debug', 'rung', { runs: rung });
      this.#complain('');
    } catch (error) {
      // The stores may be away for a moment; the next look finds everything as it was.
      this.#complain(messageOf(error));
    }
  }

  async #reconcile(): Promise<void> {
    this.#reconcileDue = false;
    await this.#lead(await this.#runs.leads(this.#options.workerId));
    if (!this.#leads) return;
    const { runs, calls, forgotten } = await this.#runs.reconcile();
    putBack.add(runs, { kind: 'run' });
    putBack.add(calls, { kind: 'call' });
    if (runs > 0 || calls > 0) this.#logger.log('info', 'put back', { runs, calls });
    if (forgotten > 0) this.#logger.log('info', 'removed runs that are kept no longer', { runs: forgotten });
    if (performance.now() - this.#countedAt >= countMs) await this.#count();
  }

  async #count(): Promise<Census> {
    this.#census = await this.#runs.census();
    this.#countedAt = performance.now();
    this.#missWorkers(this.#census);
    return this.#census;
  }

  /** Such calls stay where they are; only an operator can see that nobody will come for them. */
  #missWorkers({ calls }: Census): void {
    const unoffered = calls.filter(({ waiting, workers }) => waiting > 0 && workers === 0).map(({ kind }) => kind);
    const kinds = unoffered.join(',');
    if (kinds !== '' && kinds !== this.#unoffered)
      this.#logger.log('warn', 'calls wait for tool workers that nobody has started', { kinds });
    this.#unoffered = kinds;
  }

  async #lead(leads: boolean): Promise<void> {
    if (leads === this.#leads) return;
    this.#leads = leads;
    this.#logger.log('info', leads ? 'took the duty' : 'lost the duty', { workerId: this.#options.workerId });
    if (!leads) return;
    const { newer } = await this.#count();
    if (newer > 0) this.#logger.log('warn', 'runs of a newer release wait for its workers', { runs: newer });
  }

  #complain(message: string): void {
    if (message !== '' && message !== this.#complaint) this.#logger.log('error', 'dispatch failed', { message });
    this.#complaint = message;
  }
}
