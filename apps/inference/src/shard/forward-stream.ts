import type { ServerDuplexStream } from '@grpc/grpc-js';
import { InvalidInput } from '#errors';
import { decodeRows, encodeRows, wireBytes } from '#moe';
import { inSpan, spanKeys } from '#platform';
import { decodeBatch, encodeRowsOf, type ForwardBatch } from '../transport/forward-message.ts';
import { malformed } from '../transport/malformed.ts';
import { statusOf } from '../transport/status.ts';
import { computed } from './instruments.ts';
import type { ResidentExperts } from './resident-experts.ts';

/** Bytes of requests that are read and not answered; beyond it the stream is not read, which holds the sender up. */
const mostUnansweredBytes = 32 * 2 ** 20;

type Stream = ServerDuplexStream<Buffer, Buffer>;

/**
 * Answers one coordinator's batches, each as soon as it is computed. The first fault ends the stream with its status:
 * whoever sent the others sends them again. An answer counts as under way until the coordinator has taken it in.
 * @param count is told by how much the unanswered bytes change
 */
export function answerForward(call: Stream, experts: ResidentExperts, count: (bytes: number) => void): void {
  let unanswered = 0;
  let over = false;
  let ending = false;
  const finish = (): void => {
    if (ending && unanswered === 0 && !over) call.end();
  };
  const answer = async (bytes: Buffer): Promise<void> => {
    try {
      const rows = await traced(batchOf(bytes), async (batch) => await answerTo(batch, experts));
      if (!over && !call.write(rows)) await drained(call);
    } catch (error) {
      if (!over) call.emit('error', statusOf(error));
      over = true;
    }
  };
  call.on('data', (bytes: Buffer) => {
    unanswered += bytes.length;
    count(bytes.length);
    if (unanswered > mostUnansweredBytes) call.pause();
    void answer(bytes).finally(() => {
      unanswered -= bytes.length;
      count(-bytes.length);
      if (unanswered <= mostUnansweredBytes) call.resume();
      finish();
    });
  });
  call.on('end', () => {
    ending = true;
    finish();
  });
  for (const event of ['cancelled', 'error'] as const) {
    call.on(event, () => {
      over = true;
    });
  }
}

/** In a span where the coordinator traces its step. */
async function traced(batch: ForwardBatch, work: (batch: ForwardBatch) => Promise<Buffer>): Promise<Buffer> {
  const { traceparent, layer, rows, experts } = batch;
  if (traceparent === '') return await work(batch);
  const fields = { [spanKeys.layer]: layer, [spanKeys.rows]: rows, [spanKeys.experts]: experts.length };
  return await inSpan('forward', { under: traceparent, kind: 'server', fields }, async () => await work(batch));
}

async function answerTo(batch: ForwardBatch, experts: ResidentExperts): Promise<Buffer> {
  const startedAt = performance.now();
  const y = encodeRows(await experts.run({ ...batch, x: xOf(batch) }), batch.format);
  const computeMs = performance.now() - startedAt;
  computed(computeMs);
  return encodeRowsOf({
    seq: batch.seq,
    planEpoch: batch.planEpoch,
    layer: batch.layer,
    format: batch.format,
    y,
    rowIndices:
      batch.mode === 'reduced' ? Uint32Array.from({ length: batch.rows }, (_, row) => row) : new Uint32Array(),
    computeUs: Math.round(computeMs * 1000),
  });
}

function batchOf(bytes: Buffer): ForwardBatch {
  try {
    return decodeBatch(bytes);
  } catch (error) {
    throw malformed('argosy.expert.v1.ForwardRequest', bytes, error);
  }
}

function xOf({ x, format }: ForwardBatch): Float32Array {
  const message = `has ${x.length} bytes, which are no whole number of ${format}`;
  if (x.length % wireBytes[format] !== 0) throw new InvalidInput([{ path: 'x', message }]);
  return decodeRows(x, format);
}

/** Until the coordinator has taken in enough of what was written, or is gone. */
function drained(call: Pick<Stream, 'once' | 'off'>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      call.off('close', done);
      resolve();
    };
    call.once('drain', done);
    call.once('close', done);
  });
}
