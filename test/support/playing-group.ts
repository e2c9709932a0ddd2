/** Inference groups that play what they are told, over real gRPC. */
import { Metadata, Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js';
import { inference, rpcDetails, rpcStatus } from '#contracts/rpc';

export type Call = ServerWritableStream<inference.GenerateRequest, inference.GenerateResponse>;
export type DrainCall = ServerWritableStream<inference.DrainRequest, inference.DrainResponse>;
/** `aborted` resolves when Abort is called. */
export type Play = (call: Call, index: number, aborted: Promise<void>) => void;

export interface Group {
  readonly address: string;
  readonly asked: readonly inference.GenerateRequest[];
  readonly aborted: readonly string[];
  /** Sessions that were released. */
  readonly released: readonly inference.ReleaseSessionRequest[];
  info: Partial<inference.GetInfoResponse>;
  /** Told to whoever asks from now on; absent: this group does not tell its load; null: it says nothing. */
  load?: () => Partial<inference.WatchLoadResponse> | null;
  /** Answers whoever has it drain; absent: it cannot. */
  drain?: (call: DrainCall) => void;
  experts?: () => Partial<inference.GetExpertsResponse>;
  /** Breaks every connection, and takes no other. */
  kill(): void;
}

const closing: (() => void)[] = [];

/** For `afterEach`. */
export function closeGroups(): void {
  for (const close of closing.splice(0)) close();
}

export async function groupThat(plays: Play): Promise<Group> {
  const asked: inference.GenerateRequest[] = [];
  const aborted: string[] = [];
  const released: inference.ReleaseSessionRequest[] = [];
  const isAborted = Promise.withResolvers<void>();
  const server = new Server();
  const kill = (): void => server.forceShutdown();
  const info = { model: 'm', checkpointSha256: 'aa', contextTokens: 131_072 };
  const group: Group = { address: '', asked, aborted, released, info, kill };
  const handlers: Partial<inference.InferenceServiceServer> = {
    generate: (call: Call) => plays(call, asked.push(call.request) - 1, isAborted.promise),
    getInfo: (_call, reply) => reply(null, inference.GetInfoResponse.fromPartial(group.info)),
    countTokens: (call, reply) => {
      const { prompt } = call.request;
      const texts = prompt?.$case === 'messages' ? prompt.value.messages.map(({ content }) => content) : [];
      reply(null, { tokens: texts.join('').length });
    },
    watchLoad: (call) => {
      if (group.load === undefined) call.emit('error', { code: status.UNIMPLEMENTED, details: 'not told here' });
      const load = group.load?.() ?? null;
      if (load !== null) call.write(inference.WatchLoadResponse.fromPartial(load));
    },
    drain: (call) => {
      if (group.drain === undefined) call.emit('error', { code: status.UNIMPLEMENTED, details: 'no draining here' });
      else group.drain(call);
    },
    getExperts: (_call, reply) => reply(null, inference.GetExpertsResponse.fromPartial(group.experts?.() ?? {})),
    releaseSession: (call, reply) => {
      released.push(call.request);
      reply(null, { releasedTokens: 0 });
    },
    abort: (call, reply) => {
      aborted.push(call.request.requestId);
      isAborted.resolve();
      reply(null, { found: true });
    },
  };
  server.addService(inference.InferenceServiceService, handlers as inference.InferenceServiceServer); // what is asked is there
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  closing.push(kill);
  return Object.assign(group, { address: `127.0.0.1:${port}` });
}

export const usage = { promptTokens: 100, cachedTokens: 60, completionTokens: 7 };

/** Streams a text in pieces, and ends for this reason. */
export function say(
  call: Call,
  text: string,
  reason: inference.FinishReason = inference.FinishReason.FINISH_REASON_STOP,
  took: inference.Usage = usage,
): void {
  let seq = 0;
  const put = (event: inference.GenerateResponse['event']) => call.write({ seq: seq++, event });
  put({ $case: 'accepted', value: { queueMs: 0, cachedTokens: 60 } });
  for (let at = 0; at < text.length; at += 3) {
    put({ $case: 'delta', value: { text: text.slice(at, at + 3), tokenIds: [1], channel: 2, logprobs: [] } });
  }
  put({ $case: 'finished', value: { reason, usage: took, stop: '' } });
  call.end();
}

/** @param retrySeconds and a nanosecond, for `RetryInfo` @param reason for `ErrorInfo` */
export function refuse(call: Call, code: status, details: string, retrySeconds?: number, reason?: string): void {
  const metadata = new Metadata();
  const typeUrl = (name: string): string => `type.googleapis.com/google.rpc.${name}`;
  const told: { typeUrl: string; value: Buffer }[] = [];
  if (retrySeconds !== undefined) {
    const info = rpcDetails.RetryInfo.fromPartial({ retryDelay: { seconds: retrySeconds, nanos: 1 } });
    told.push({ typeUrl: typeUrl('RetryInfo'), value: Buffer.from(rpcDetails.RetryInfo.encode(info).finish()) });
  }
  if (reason !== undefined) {
    const info = rpcDetails.ErrorInfo.fromPartial({ reason, domain: 'argosy.inference' });
    told.push({ typeUrl: typeUrl('ErrorInfo'), value: Buffer.from(rpcDetails.ErrorInfo.encode(info).finish()) });
  }
  if (told.length > 0) {
    const whole = rpcStatus.Status.fromPartial({ code, message: details, details: told });
    metadata.set('grpc-status-details-bin', Buffer.from(rpcStatus.Status.encode(whole).finish()));
  }
  call.emit('error', Object.assign(new Error(details), { code, details, metadata }));
}
