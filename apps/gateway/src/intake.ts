import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { idempotencyKey, parseInput, type ResearchBody } from '#contracts';
import type { ResearchRequest } from '#domain';
import { ArgosyError, InvalidInput, Unavailable } from '#errors';
import type { Accepted, Runs } from '#runs';
import { bodyHash, newRunId, type Offer, offerTo, toRequest } from './acceptance.ts';
import type { Caller } from './access/caller.ts';
import { OFFER, RUNS } from './tokens.ts';

/** What is asked for, in whichever protocol. */
export interface Order extends Pick<ResearchRequest, 'preface' | 'echo'> {
  readonly body: ResearchBody;
  /** What was sent: tells a repeated request from another one under the same Idempotency-Key. */
  readonly sent: unknown;
}

/** The headers of a request that a run depends on, as they came. */
export interface OrderHeaders {
  readonly idempotencyKey: unknown;
  /** The span of the request. */
  readonly traceparent: unknown;
}

/** The one way by which requests become runs, whatever protocol they came by. */
@Injectable()
export class Intake {
  readonly #runs: Runs;
  readonly #offer: Offer;

  constructor(@Inject(RUNS) runs: Runs, @Inject(OFFER) offer: Offer) {
    this.#runs = runs;
    this.#offer = offer;
  }

  /**
   * Makes an order a run, or finds the run that it was made before. Returns after the commit.
   * @throws InvalidInput, ModelUnavailable, IdempotencyConflict, QuotaExceeded
   */
  async accept(caller: Caller, order: Order, headers: OrderHeaders): Promise<Accepted> {
    const key = parseInput(idempotencyKey, headers.idempotencyKey);
    try {
      return await this.#acceptNew(caller, order, key, headers.traceparent);
    } catch (error) {
      const isRefusal = error instanceof ArgosyError && !(error instanceof Unavailable);
      if (key === undefined || !isRefusal) throw error;
      // What was accepted once stays so, though its corpus is gone by now, or its tenant may ask others.
      const earlier = await this.#runs.acceptedBefore(caller.tenantId, key, bodyHash(order.sent));
      if (earlier === null) throw error;
      return { runId: earlier, fresh: false, ahead: null };
    }
  }

  async #acceptNew(
    { tenantId, limits }: Caller,
    { body, sent, preface, echo }: Order,
    key: string | undefined,
    traceparent: unknown,
  ): Promise<Accepted> {
    await this.#expectCorpora(tenantId, body.sources?.corpora ?? []);
    const now = new Date();
    const { providers, trace_content: traceContent } = await this.#runs.tenants.settings(tenantId);
    const request = toRequest(body, offerTo(this.#offer, providers), now);
    if (preface !== undefined) this.#expectReader(request.model);
    return await this.#runs.accept({
      tenantId,
      runId: newRunId(now.getTime(), randomBytes(10)),
      request: {
        ...request,
        ...(preface === undefined ? {} : { preface }),
        ...(echo === undefined ? {} : { echo }),
        ...(traceContent ? { traceContent } : {}),
      },
      requestSha256: bodyHash(sent),
      ...(typeof traceparent === 'string' ? { traceparent } : {}),
      quota: limits,
      ...(key === undefined ? {} : { idempotencyKey: key }),
    });
  }

  /** @throws InvalidInput where the model follows no instructions and remembers no conversation */
  #expectReader(name: string): void {
    if (this.#offer.models.get(name)?.isLanguageModel) return;
    const message = `${name} reads one question and nothing else: leave out instructions and earlier messages, or name a language model`;
    throw new InvalidInput([{ path: 'input', message }]);
  }

  /** @throws InvalidInput saying of each why it cannot be searched */
  async #expectCorpora(tenantId: string, ids: readonly string[]): Promise<void> {
    const uploaded = ids.filter((id) => !this.#offer.knowsCorpus(id));
    if (uploaded.length === 0) return;
    const faults = await this.#runs.corpora.faults(tenantId, uploaded);
    if (faults.size === 0) return;
    throw new InvalidInput([...faults.values()].map((message) => ({ path: 'sources.corpora', message })));
  }
}
