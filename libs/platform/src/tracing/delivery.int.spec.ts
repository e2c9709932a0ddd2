import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { type Manner, type OtlpReceiver, startOtlpReceiver } from '../../../../test/support/otlp-receiver.ts';
import { otlpDeliveries } from './delivery.ts';

/** As short as a receiver on this machine allows that answers. */
const times = { limitMs: 500, marginMs: 300 };

function spanNamed(name: string): ReadableSpan {
  const exporter = new InMemorySpanExporter();
  const spanProcessors = [new SimpleSpanProcessor({ exporter })];
  new TracerProvider({ sampler: new AlwaysOnSampler(), spanProcessors }).getTracer('test').startSpan(name).end();
  const [span] = exporter.getFinishedSpans();
  if (span === undefined) throw new Error('no span');
  return span;
}

describe('a report to a receiver', () => {
  let receiver: OtlpReceiver;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
  });
  afterAll(async () => {
    await receiver.close();
  });

  const deliver = async (manner: Manner, url = receiver.url) => {
    receiver.manner = manner;
    const settings = { url, headers: { 'x-key': 'secret' }, metricsEveryMs: 0, share: 1, slowMs: 1 };
    return await otlpDeliveries(settings, times).spans([spanNamed(manner)]);
  };

  it('arrives as it was, with the headers of its receiver', async () => {
    const roomy = { limitMs: 30_000, marginMs: 1_000 };
    const settings = { url: receiver.url, headers: { 'x-key': 'secret' }, metricsEveryMs: 0, share: 1, slowMs: 1 };
    receiver.manner = 'take';
    await expect(otlpDeliveries(settings, roomy).spans([spanNamed('take')])).resolves.toBeNull();
    expect(receiver.spans.map(({ name }) => name)).toEqual(['take']);
    expect(receiver.requests[0]).toMatchObject({ path: '/v1/traces', headers: { 'x-key': 'secret' } });
  });

  it('that is refused says so, with the status and nothing that the receiver wrote', async () => {
    expect(await deliver('refuse')).toEqual({ reason: 'refused', message: 'answered with status 401' });
  });

  it('is given up within its time where nobody answers, or one that never ends', async () => {
    for (const manner of ['say nothing', 'dribble'] as const) {
      expect(await deliver(manner)).toMatchObject({ reason: 'unreachable' });
    }
  });

  it('is given up where nobody is', async () => {
    const gone = await startOtlpReceiver();
    const port = await gone.close();
    expect(await deliver('take', `http://127.0.0.1:${port}`)).toEqual({
      reason: 'unreachable',
      message: 'ECONNREFUSED',
    });
  });
});
