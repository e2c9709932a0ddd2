import { messageOf } from '#errors';
import type { Logger } from '#platform';
import { type Runs, topics } from '#runs';

export interface DispatcherOptions {
  /** Runs that may be rung or running at the same time: one to two times the slots of the agent workers. */
  readonly window: number;
  /** Longest time between two looks at the backlog. */
  readonly everyMs: number;
}

/**
 * Moves fair shares of the backlog to the agent workers, and puts back what got stranded. Looks at once when a run is
 * accepted or ends, and otherwise at a steady pace.
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

  constructor(runs: Runs, options: DispatcherOptions, logger: Logger) {
    this.#runs = runs;
    this.#options = options;
    this.#logger = logger;
  }

  start(): void {
    this.#unsubscribe = this.#runs.bus.subscribe(topics.backlog, () => this.#look());
    this.#timer = setInterval(() => this.#look(), this.#options.everyMs);
    this.#look();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    clearInterval(this.#timer);
    this.#again = false;
    await this.#looking;
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
      const stranded = await this.#runs.reconcile();
      const rung = await this.#runs.dispatch(this.#options.window);
      if (stranded > 0 || rung > 0) this.#logger.log('info', 'dispatched', { rung, stranded });
    } catch (error) {
      // The stores may be away for a moment; the next look finds everything as it was.
      this.#logger.log('error', 'dispatch failed', { message: messageOf(error) });
    }
  }
}
