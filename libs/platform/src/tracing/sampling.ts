import { type Context, type Link, TraceFlags, trace } from '@opentelemetry/api';
import { type Sampler, SamplingDecision, type SamplingResult } from '@opentelemetry/sdk-trace';

const sampled: SamplingResult = { decision: SamplingDecision.RECORD_AND_SAMPLED };
const recorded: SamplingResult = { decision: SamplingDecision.RECORD };

/**
 * A share of all traces, chosen by trace id, so that every process chooses the same ones. Whoever is called follows its
 * caller, and a trace that another led to follows that: a run is there with all its steps or not at all. The rest is
 * recorded, too, for as long as it may turn out to be worth keeping.
 */
export class ShareOfTraces implements Sampler {
  readonly #below: number;

  /** @param share from 0 to 1 */
  constructor(share: number) {
    this.#below = share * 2 ** 48;
  }

  // The SDK fixes the order: context, trace id, name, kind, attributes, links.
  shouldSample(...[context, traceId, , , , links]: Parameters<Sampler['shouldSample']>): SamplingResult {
    return this.#isSampled(context, traceId, links) ? sampled : recorded;
  }

  toString(): string {
    return `ShareOfTraces(${this.#below / 2 ** 48})`;
  }

  #isSampled(context: Context, traceId: string, [first]: readonly Link[]): boolean {
    const ledTo = trace.getSpanContext(context) ?? first?.context;
    if (ledTo !== undefined) return (ledTo.traceFlags & TraceFlags.SAMPLED) !== 0;
    return Number.parseInt(traceId.slice(-12), 16) < this.#below;
  }
}
