import { Inject, Injectable } from '@nestjs/common';
import { type ResponseEvent, type ResponseResource, type ResponseState, runIdOf, tell, unopened } from '#contracts';
import { isTerminal } from '#domain';
import { NotFound } from '#errors';
import type { RunRecord, Runs, StoredEvent } from '#runs';
import { RUNS } from '../tokens.ts';
import { shownRun } from './shown-run.ts';

/** Shows runs as responses. All that it tells comes from their durable events. */
@Injectable()
export class Responses {
  readonly #runs: Runs;

  constructor(@Inject(RUNS) runs: Runs) {
    this.#runs = runs;
  }

  /** The run of a response. @throws NotFound */
  async run(tenantId: string, responseId: string): Promise<RunRecord> {
    const runId = runIdOf(responseId);
    if (runId === null) throw new NotFound(`There is no response ${responseId}.`);
    return await this.#runs.get(tenantId, runId);
  }

  /** A run's response as it is now. @throws NotFound */
  async now(tenantId: string, runId: string): Promise<ResponseResource> {
    const events = await this.#runs.eventsSoFar(tenantId, runId);
    // Read behind the events: where they tell of an end, the report is there.
    const run = await this.#runs.get(tenantId, runId);
    const last = events.reduce((state, event) => tell(state, event, run.report)[0], unopened(shownRun(run)));
    return last.response;
  }

  /** Everything that happens to a response, from its beginning until it has ended or the signal fires. */
  async *follow(tenantId: string, runId: string, signal: AbortSignal): AsyncGenerator<ResponseEvent> {
    for await (const { told } of this.states(tenantId, runId, signal)) yield* told;
  }

  /** A run's response when it has ended, or as it is when the signal fires. @throws NotFound */
  async settled(tenantId: string, runId: string, signal: AbortSignal): Promise<ResponseResource> {
    let response: ResponseResource | null = null;
    for await (const { state } of this.states(tenantId, runId, signal)) response = state.response;
    return response ?? (await this.now(tenantId, runId));
  }

  /** The same in the steps of the run's log, each with the response that it leaves. */
  async *states(
    tenantId: string,
    runId: string,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly state: ResponseState; readonly told: readonly ResponseEvent[] }> {
    let state = unopened(shownRun(await this.#runs.get(tenantId, runId)));
    for await (const event of this.#runs.events(tenantId, runId, 0, signal)) {
      const [next, told] = tell(state, event, await this.#reportAt(event, tenantId, runId));
      state = next;
      yield { state, told };
    }
  }

  async #reportAt({ type }: StoredEvent, tenantId: string, runId: string): Promise<RunRecord['report']> {
    return isTerminal(type) ? (await this.#runs.get(tenantId, runId)).report : null;
  }
}
