import { Body, Controller, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { chatNames, type ResponseResource, readChatBody, toChunks, toCompletion } from '#contracts';
import { type Caller, From, Needs } from '../access/caller.ts';
import type { StreamSettings } from '../event-stream.ts';
import { Intake } from '../intake.ts';
import { Describes } from '../openapi/operation.ts';
import { PATIENCE } from '../tokens.ts';
import { openAiError, RunFailed, StillRunning } from './errors.ts';
import { inWordsOf } from './naming.ts';
import { createCompletion } from './operations.ts';
import { Responses } from './responses.ts';
import { sseHeaders, sseOf, toData } from './sse.ts';
import { type AnswerPatience, expectCaller, leaving, leavingWithin } from './waiting.ts';

/** Runs in the form of OpenAI's chat completions: one question, one answer. */
@Controller('v1/chat/completions')
export class ChatController {
  readonly #intake: Intake;
  readonly #responses: Responses;
  readonly #waits: StreamSettings & AnswerPatience;

  constructor(
    @Inject(Intake) intake: Intake,
    @Inject(Responses) responses: Responses,
    @Inject(PATIENCE) waits: StreamSettings & AnswerPatience,
  ) {
    this.#intake = intake;
    this.#responses = responses;
    this.#waits = waits;
  }

  @Post()
  @Needs('research:write')
  @Describes(createCompletion)
  async create(
    @From() caller: Caller,
    @Body() raw: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { stream, includeUsage, ...order } = readChatBody(raw);
    const { 'idempotency-key': idempotencyKey, traceparent } = request.headers;
    const sent = { form: 'chat', body: raw };
    const accepting = this.#intake.accept(caller, { ...order, sent }, { idempotencyKey, traceparent });
    const { runId } = await inWordsOf(chatNames, accepting);
    const leaves = leaving(this.#waits, caller, reply);
    reply.status(200);
    if (stream) {
      const chunks = this.#chunks(caller.tenantId, runId, { includeUsage, leaves });
      return await reply.headers(sseHeaders).send(sseOf(chunks, { ...this.#waits, ends: caller.ends }));
    }
    const limit = leavingWithin(this.#waits.endMs, leaves, reply);
    const response = await this.#responses.settled(caller.tenantId, runId, limit);
    expectCaller(caller);
    await reply.send(toCompletion(answered(response)));
  }

  async *#chunks(
    tenantId: string,
    runId: string,
    { includeUsage, leaves }: { includeUsage: boolean; leaves: AbortSignal },
  ): AsyncGenerator<string> {
    let last: ResponseResource | null = null;
    for await (const { told, state } of this.#responses.states(tenantId, runId, leaves)) {
      last = state.response;
      for (const event of told) for (const chunk of toChunks(event, last, includeUsage)) yield toData(chunk);
    }
    if (last === null) return;
    const failure = failureOf(last);
    if (failure === null) yield toData('[DONE]');
    else yield toData(openAiError({ message: failure.message, status: 500, param: null, code: failure.code }));
  }
}

/** @throws RunFailed; StillRunning */
function answered(response: ResponseResource): ResponseResource {
  const failure = failureOf(response);
  if (failure !== null) throw failure;
  return response;
}

function failureOf(response: ResponseResource): RunFailed | StillRunning | null {
  switch (response.status) {
    case 'completed':
    case 'incomplete':
      return null;
    case 'failed':
    case 'cancelled':
      return new RunFailed(response);
    case 'queued':
    case 'in_progress':
      return new StillRunning(response);
  }
}
