import { once } from 'node:events';
import type { Answer, Answering, AnswerOptions, Bell, Doorbell, Ring } from './doorbell.ts';

/**
 * Answers several bells as one worker: all of them share its slots. While these are full no bell is heard, so that rings
 * go to others; one that came in that moment waits for a slot.
 */
export async function answerAsOne(
  doorbell: Doorbell,
  bells: readonly Bell[],
  answer: Answer,
  options: AnswerOptions,
): Promise<Answering> {
  const worker = new OneWorker(answer, options.concurrency);
  for (const bell of bells) {
    worker.add(await doorbell.answer(bell, async (ring, signal) => await worker.take(ring, signal), options));
  }
  return worker;
}

class OneWorker implements Answering {
  readonly #answer: Answer;
  readonly #slots: number;
  readonly #answering: Answering[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #drains = false;
  #isPaused = false;
  #closing = false;

  constructor(answer: Answer, slots: number) {
    this.#answer = answer;
    this.#slots = slots;
  }

  add(answering: Answering): void {
    if (this.#isPaused) answering.pause(true);
    this.#answering.push(answering);
  }

  /** A ring that is to be given up needs no slot: its answer hands it back. */
  async take(ring: Ring, signal: AbortSignal): Promise<void> {
    if (this.#busy >= this.#slots && !signal.aborted) {
      const free = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await Promise.race([free, once(signal, 'abort')]);
    }
    this.#busy += 1;
    this.#heed();
    try {
      await this.#answer(ring, signal);
    } finally {
      this.#busy -= 1;
      if (this.#busy < this.#slots) this.#waiting.shift()?.();
      this.#heed();
    }
  }

  pause(paused: boolean): void {
    this.#drains = paused;
    this.#heed();
  }

  async close(options: { readonly abortAfterMs?: number } = {}): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#answering.map((answering) => answering.close(options)));
  }

  #heed(): void {
    const paused = this.#drains || this.#busy >= this.#slots;
    if (paused === this.#isPaused || this.#closing) return;
    this.#isPaused = paused;
    for (const answering of this.#answering) answering.pause(paused);
  }
}
