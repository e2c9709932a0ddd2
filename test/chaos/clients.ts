/** Clients as they ought to be: they repeat what was refused or got lost, under the same key, and resume their streams. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ResearchBody } from '#contracts';

/** A durable event as a client saw it. */
export interface SeenEvent {
  readonly id: number;
  readonly type: string;
}

export interface Refusal {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: string;
}

/** A request that waits longer than this is given up, as a client behind a proxy would. */
const requestMs = 20_000;

/** How long a client goes on trying, unless told. */
export const usualPatienceMs = 60_000;

/** All clients of one gateway, and what they were told. */
export class Clients {
  readonly #url: string;
  readonly #patienceMs: number;
  /** Every 202: a request that was repeated may have several. */
  readonly accepted: { key: string; runId: string }[] = [];
  readonly refused: Refusal[] = [];
  /** By run: its events as one client saw them, over all of its connections. */
  readonly streams = new Map<string, SeenEvent[]>();
  /** Connections that a stream needed beyond its first. */
  resumed = 0;
  /** Requests that got no answer and were repeated. */
  unanswered = 0;

  /** @param url of the gateway, which keeps it over restarts */
  constructor(url: string, patienceMs: number) {
    this.#url = url;
    this.#patienceMs = patienceMs;
  }

  /** Has a run accepted. @returns its id */
  async submit(key: string, body: ResearchBody): Promise<string> {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
    };
    const response = await this.#untilTaken('/v1/research', init, [202]);
    const { id } = (await response.json()) as { id: string };
    this.accepted.push({ key, runId: id });
    return id;
  }

  /** Asks for a run's end. @returns false when it had ended already */
  async cancel(runId: string): Promise<boolean> {
    const response = await this.#untilTaken(`/v1/research/${runId}/cancel`, { method: 'POST' }, [202, 409]);
    await response.arrayBuffer();
    return response.status === 202;
  }

  /** Follows a run to its last event. @throws when that does not come in time */
  async follow(runId: string): Promise<void> {
    const seen: SeenEvent[] = [];
    this.streams.set(runId, seen);
    const giveUpAt = performance.now() + this.#patienceMs;
    while (!isOver(seen)) {
      if (performance.now() > giveUpAt) throw new Error(`${runId} has not ended; last event ${seen.at(-1)?.type}`);
      await this.#read(runId, seen).catch(() => undefined);
      if (isOver(seen)) return;
      this.resumed += 1;
      await pause(100);
    }
  }

  /** One connection, until it breaks or ends. */
  async #read(runId: string, seen: SeenEvent[]): Promise<void> {
    const response = await fetch(`${this.#url}/v1/research/${runId}/events`, {
      headers: { 'last-event-id': String(seen.at(-1)?.id ?? 0) },
      signal: AbortSignal.timeout(this.#patienceMs),
    });
    if (response.status !== 200 || response.body === null) {
      await this.#noteRefusal(response);
      return;
    }
    let rest = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, id, type] = /^id: (\d+)\nevent: (\S+)$/m.exec(block) ?? [];
        if (id !== undefined && type !== undefined) seen.push({ id: Number(id), type });
      }
    }
  }

  async #untilTaken(path: string, init: RequestInit, taken: readonly number[]): Promise<Response> {
    const giveUpAt = performance.now() + this.#patienceMs;
    while (performance.now() < giveUpAt) {
      const response = await this.#send(path, init);
      if (response !== null && taken.includes(response.status)) return response;
      if (response !== null) await this.#noteRefusal(response);
      await pause(response === null ? 100 : 300);
    }
    throw new Error(
      `${path} was not taken in ${this.#patienceMs} ms; last refusal: ${JSON.stringify(this.refused.at(-1))}`,
    );
  }

  async #send(path: string, init: RequestInit): Promise<Response | null> {
    try {
      return await fetch(this.#url + path, { ...init, signal: AbortSignal.timeout(requestMs) });
    } catch {
      this.unanswered += 1;
      return null;
    }
  }

  async #noteRefusal(response: Response): Promise<void> {
    const body = (await response.text().catch(() => '')).slice(0, 300);
    this.refused.push({ status: response.status, retryAfter: response.headers.get('retry-after'), body });
  }
}

function isOver(seen: readonly SeenEvent[]): boolean {
  return /^run\.(completed|incomplete|failed|cancelled)$/.test(seen.at(-1)?.type ?? '');
}
