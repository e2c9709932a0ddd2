/** What every group does, whatever engine it has: the contract of proto/argosy/inference/v1, check by check. */
import { status } from '@grpc/grpc-js';
import { health, inference } from '#contracts/rpc';
import {
  type Asked,
  asServiceError,
  fieldsOf,
  Inconclusive,
  must,
  mustBe,
  question,
  type Reply,
  replyOf,
  requestOf,
  retryMsOf,
  sessionOf,
  type Target,
} from './target.ts';

export interface Check {
  readonly name: string;
  /** True for one that keeps other callers away for a moment. */
  readonly disturbs?: boolean;
  /** @throws Violation, Inconclusive, or what a call failed with */
  run(target: Target): Promise<void>;
}

const { FINISH_REASON_ABORTED, FINISH_REASON_DEADLINE, FINISH_REASON_LENGTH, FINISH_REASON_STOP } =
  inference.FinishReason;
const messages = { $case: 'messages' as const, value: { messages: [{ role: 'user', content: question }] } };

function ids(of: readonly number[]) {
  return { $case: 'tokenIds' as const, value: { ids: [...of] } };
}

/** As many tokens as there may be room for. */
async function longest(target: Target): Promise<number> {
  const { contextTokens } = await target.info();
  return Math.min(20_000, contextTokens - (await target.count(messages)));
}

export const checks: readonly Check[] = [
  {
    name: 'GetInfo says what is served',
    async run(target) {
      const info = await target.info();
      must(info.model !== '' && info.engine !== '', 'model or engine has no name');
      must(info.contextTokens > 0, `context_tokens is ${info.contextTokens}`);
      must(info.vocabularySize > 0, `vocabulary_size is ${info.vocabularySize}`);
      for (const sum of [info.checkpointSha256, info.tokenizerSha256]) {
        must(/^[0-9a-f]{64}$/.test(sum), `"${sum}" is no SHA-256`);
      }
      must(!info.draining, 'it is draining');
    },
  },
  {
    name: 'health is told for the process and for the service, and for nothing else',
    async run(target) {
      for (const service of ['', 'argosy.inference.v1.InferenceService']) {
        const told = await target.health(service);
        must(told.status === health.HealthCheckResponse_ServingStatus.SERVING, `"${service}" is not SERVING`);
      }
      const unknown = await target.health('no.such.Service').then(() => null, asServiceError);
      must(unknown !== null, 'a service that is not there has a health');
      mustBe(unknown, status.NOT_FOUND, 'the health of an unknown service');
    },
  },
  {
    name: 'a reply is accepted, streamed and finished, in order, and every token is counted',
    async run(target) {
      const { finished, ids: generated } = await target.reply();
      const counted = await target.count(messages);
      const { promptTokens = 0, completionTokens = 0, cachedTokens = 0 } = finished.usage ?? {};
      must(promptTokens === counted, `usage has ${promptTokens} prompt tokens, CountTokens ${counted}`);
      must(generated.length === completionTokens, `${generated.length} token ids came, usage has ${completionTokens}`);
      must(cachedTokens <= promptTokens, `${cachedTokens} of ${promptTokens} prompt tokens are cached`);
    },
  },
  {
    name: 'a prompt may be token ids, and each is counted',
    async run(target) {
      const { ids: generated } = await target.reply({ sampling: { maxTokens: 40 } });
      const prompt = ids(generated);
      must((await target.count(prompt)) === generated.length, 'CountTokens does not count ids one by one');
      const { finished } = await target.reply({ prompt });
      const { promptTokens } = finished.usage ?? {};
      must(promptTokens === generated.length, `usage has ${promptTokens} prompt tokens for ${generated.length} ids`);
    },
  },
  {
    name: 'max_tokens ends a reply',
    async run(target) {
      const { finished, ids: generated } = await target.reply({ sampling: { maxTokens: 3 } });
      if (finished.reason === FINISH_REASON_STOP) throw new Inconclusive('the model ended its reply by itself');
      must(finished.reason === FINISH_REASON_LENGTH, `the reason is ${finished.reason}, not FINISH_REASON_LENGTH`);
      must(generated.length === 3, `${generated.length} tokens came, 3 were asked for`);
    },
  },
  {
    name: 'a stop string ends a reply before itself, and is named',
    async run(target) {
      const { text } = await target.reply();
      const stop = [...text.slice(Math.floor(text.length / 3))].slice(0, 3).join('');
      if (stop.length < 3) throw new Inconclusive(`the reply is too short: ${JSON.stringify(text)}`);
      const expected = text.slice(0, text.indexOf(stop));
      const stopped = await target.reply({ sampling: { stop: ['never in any text', stop] } });
      must(stopped.finished.reason === FINISH_REASON_STOP, `the reason is ${stopped.finished.reason}`);
      must(stopped.finished.stop === stop, `the stop string is "${stopped.finished.stop}", not "${stop}"`);
      must(stopped.text === expected, `the text is ${JSON.stringify(stopped.text)}, not ${JSON.stringify(expected)}`);
    },
  },
  {
    name: 'the same seed gives the same text, and the most probable tokens are the same each time',
    async run(target) {
      for (const sampling of [{ temperature: 1, seed: 7 }, { temperature: 0 }] satisfies Asked['sampling'][]) {
        const [one, other] = [await target.reply({ sampling }), await target.reply({ sampling })];
        must(one.text === other.text, `${JSON.stringify(sampling)} gives ${JSON.stringify([one.text, other.text])}`);
      }
    },
  },
  {
    name: 'the next turn of a session finds what the turn before has computed',
    async run(target) {
      const filler = Array.from({ length: 8 }, () => question).join(' ');
      const prompt = { $case: 'messages' as const, value: { messages: [{ role: 'user', content: filler }] } };
      const session = sessionOf();
      await target.reply({ prompt, ...session });
      const { finished } = await target.reply({ prompt, ...session, turn: 1 });
      const { engine } = await target.info();
      const cached = finished.usage?.cachedTokens ?? 0;
      if (cached === 0 && engine !== 'argosy-ep') {
        throw new Inconclusive(
          'no cached tokens are told: start vLLM with --enable-prompt-tokens-details, SGLang with --enable-cache-report',
        );
      }
      must(cached > 0, 'the whole prompt was computed anew');
      await target.release(session);
    },
  },
  {
    name: 'Abort ends a reply that goes on, and finds nothing of one that is over',
    async run(target) {
      const reply = await interrupted(target, async (request) => {
        must(await target.abort(request.requestId), 'Abort does not find a reply that goes on');
      });
      must(reply.finished.reason === FINISH_REASON_ABORTED, `the reason is ${reply.finished.reason}`);
      must(!(await target.abort('no-such-request')), 'Abort finds a reply that never was');
    },
  },
  {
    name: 'a caller that leaves frees its request',
    async run(target) {
      const request = requestOf({ sampling: { maxTokens: await longest(target) } });
      const stream = target.generate(request);
      for await (const _ of reading(stream)) stream.cancel();
      const endsAt = Date.now() + 20_000;
      for (;;) {
        const again = await replyOf(target.generate({ ...request, sampling: requestOf().sampling })).catch(
          asServiceError,
        );
        if ('finished' in again) return;
        mustBe(again, status.ALREADY_EXISTS, 'a request_id that is used again');
        must(Date.now() < endsAt, 'the request goes on for 20 s after its caller left');
      }
    },
  },
  {
    name: 'a deadline ends a reply',
    async run(target) {
      const request = requestOf({ deadlineMs: 1, sampling: { maxTokens: await longest(target) } });
      const ended = await replyOf(target.generate(request)).catch(asServiceError);
      if ('finished' in ended)
        must(ended.finished.reason === FINISH_REASON_DEADLINE, `the reason is ${ended.finished.reason}`);
      else mustBe(ended, status.DEADLINE_EXCEEDED, 'a deadline before the first token');
    },
  },
  {
    name: 'what makes no sense is refused, field by field',
    async run(target) {
      const absurd = requestOf({ requestId: '', sampling: { topP: 7, stop: Array.from({ length: 17 }, () => 'x') } });
      const refused = await target.failure(absurd);
      mustBe(refused, status.INVALID_ARGUMENT, 'a request of faults');
      for (const field of ['request_id', 'sampling.top_p', 'sampling.stop']) {
        must(fieldsOf(refused).includes(field), `BadRequest does not name ${field}`);
      }
      const { contextTokens, vocabularySize } = await target.info();
      for (const prompt of [ids([]), ids([vocabularySize]), undefined]) {
        mustBe(await target.failure(requestOf({ prompt })), status.INVALID_ARGUMENT, 'a prompt that cannot be read');
      }
      const long = requestOf({ prompt: ids(Array.from({ length: contextTokens }, () => 1)) });
      mustBe(await target.failure(long), status.OUT_OF_RANGE, 'a prompt as long as the context');
    },
  },
  {
    name: 'a request_id is taken once at a time',
    async run(target) {
      await interrupted(target, async (request) => {
        const twin = { ...requestOf(), requestId: request.requestId };
        mustBe(await target.failure(twin), status.ALREADY_EXISTS, 'a request_id that is in use');
        await target.abort(request.requestId);
      });
    },
  },
  {
    name: 'the load is told again and again',
    async run(target) {
      const stream = target.watchLoad(100);
      let told = 0;
      for await (const load of reading(stream)) {
        const numbers = Object.values(load).filter((value) => typeof value === 'number');
        must(
          numbers.every((value) => Number(value) >= 0),
          `a number is below 0: ${JSON.stringify(load)}`,
        );
        if (++told === 2) stream.cancel();
      }
      must(told >= 2, 'the load was told once');
    },
  },
  {
    name: 'draining refuses new sessions with a time to come again, goes on with known ones, and can be called off',
    disturbs: true,
    async run(target) {
      const session = sessionOf();
      await target.reply(session);
      const draining = target.drain({ deadlineMs: 60_000, cancel: false });
      try {
        await firstOf(draining);
        const refused = await target.failure(requestOf());
        mustBe(refused, status.UNAVAILABLE, 'a new session while draining');
        must((retryMsOf(refused) ?? 0) > 0, 'UNAVAILABLE says no time to come again');
        must((await target.info()).draining, 'GetInfo does not say that it drains');
        await target.reply({ ...session, turn: 1 });
      } finally {
        draining.cancel();
        for await (const { done } of target.drain({ deadlineMs: 0, cancel: true }))
          must(done, 'calling off is not done at once');
      }
      await target.release(session);
      await target.reply();
    },
  },
];

/** Until its end, or until it was cancelled. */
async function* reading<T>(stream: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* stream;
  } catch (error) {
    if (asServiceError(error).code !== status.CANCELLED) throw error;
  }
}

async function firstOf<T>(stream: AsyncIterable<T>): Promise<void> {
  const { done } = await stream[Symbol.asyncIterator]().next();
  must(!done, 'the stream ended without a message');
}

const mostTries = 3;

/** A long reply in the middle of which something is done. @throws Inconclusive when each was over before that */
async function interrupted(
  target: Target,
  during: (request: inference.GenerateRequest) => Promise<void>,
): Promise<Reply> {
  const maxTokens = await longest(target);
  for (let attempt = 0; attempt < mostTries; attempt++) {
    const request = requestOf({ sampling: { maxTokens, temperature: 1, seed: 11 + attempt } });
    const stream = target.generate(request);
    const events: inference.GenerateResponse[] = [];
    let isDone = false;
    let isOver = false;
    for await (const message of stream) {
      events.push(message);
      isOver ||= message.event?.$case === 'finished';
      if (isDone || isOver || message.event?.$case !== 'delta') continue;
      isDone = true;
      await during(request);
    }
    if (isDone) return await replyOf(inOrder(events));
  }
  throw new Inconclusive(`${mostTries} replies were over before anything could be done`);
}

async function* inOrder(events: readonly inference.GenerateResponse[]): AsyncGenerator<inference.GenerateResponse> {
  yield* events;
}
