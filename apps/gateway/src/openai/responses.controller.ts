import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  type DeletedResponse,
  type InputItemList,
  inputItems,
  itemPage,
  itemsQuery,
  parseInput,
  type ResponseResource,
  readResponsesBody,
  responseNames,
  retrievalQuery,
} from '#contracts';
import { InvalidState } from '#errors';
import type { Runs } from '#runs';
import { by, type Caller, From, Needs } from '../access/caller.ts';
import type { StreamSettings } from '../event-stream.ts';
import { Intake } from '../intake.ts';
import { Describes } from '../openapi/operation.ts';
import { PATIENCE, RUNS } from '../tokens.ts';
import { inWordsOf } from './naming.ts';
import { cancelResponse, createResponse, deleteResponse, listInputItems, retrieveResponse } from './operations.ts';
import { Responses } from './responses.ts';
import { shownRun } from './shown-run.ts';
import { sseHeaders, sseOf, toResponseSse } from './sse.ts';
import { type AnswerPatience, expectCaller, leaving, leavingWithin } from './waiting.ts';

/** Runs in the form of OpenAI's Responses API. */
@Controller('v1/responses')
export class ResponsesController {
  readonly #runs: Runs;
  readonly #intake: Intake;
  readonly #responses: Responses;
  readonly #waits: StreamSettings & AnswerPatience;

  constructor(
    @Inject(RUNS) runs: Runs,
    @Inject(Intake) intake: Intake,
    @Inject(Responses) responses: Responses,
    @Inject(PATIENCE) waits: StreamSettings & AnswerPatience,
  ) {
    this.#runs = runs;
    this.#intake = intake;
    this.#responses = responses;
    this.#waits = waits;
  }

  @Post()
  @Needs('research:write')
  @Describes(createResponse)
  async create(
    @From() caller: Caller,
    @Body() raw: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { background, stream, ...order } = readResponsesBody(raw);
    const { 'idempotency-key': idempotencyKey, traceparent } = request.headers;
    const sent = { form: 'responses', body: raw };
    const accepting = this.#intake.accept(caller, { ...order, sent }, { idempotencyKey, traceparent });
    const { runId } = await inWordsOf(responseNames, accepting);
    reply.status(200);
    if (stream) return await this.#stream(caller, { runId, after: -1 }, reply);
    if (background) return await reply.send(await this.#responses.now(caller.tenantId, runId));
    const leaves = leavingWithin(this.#waits.endMs, leaving(this.#waits, caller, reply), reply);
    const response = await this.#responses.settled(caller.tenantId, runId, leaves);
    expectCaller(caller);
    await reply.send(response);
  }

  @Get(':id')
  @Needs('research:read')
  @Describes(retrieveResponse)
  async retrieve(
    @From() caller: Caller,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { stream, starting_after: after = -1 } = parseInput(retrievalQuery, query);
    const { runId } = await this.#responses.run(caller.tenantId, id);
    if (stream === 'true') return await this.#stream(caller, { runId, after }, reply);
    await reply.send(await this.#responses.now(caller.tenantId, runId));
  }

  /** Asks for the end and waits a little for it. Whoever asks twice is told the same twice. */
  @Post(':id/cancel')
  @HttpCode(200)
  @Needs('research:write')
  @Describes(cancelResponse)
  async cancel(@From() { tenantId }: Caller, @Param('id') id: string): Promise<ResponseResource> {
    const { runId } = await this.#responses.run(tenantId, id);
    try {
      await this.#runs.requestCancel(tenantId, runId);
    } catch (error) {
      const response = await this.#responses.now(tenantId, runId);
      if (error instanceof InvalidState && response.status === 'cancelled') return response;
      throw error;
    }
    return await this.#responses.settled(tenantId, runId, AbortSignal.timeout(this.#waits.cancelMs));
  }

  @Delete(':id')
  @Needs('research:write')
  @Describes(deleteResponse)
  async remove(@From() caller: Caller, @Param('id') id: string): Promise<DeletedResponse> {
    const { runId } = await this.#responses.run(caller.tenantId, id);
    await this.#runs.forget({ ...by(caller), runId });
    return { id, object: 'response', deleted: true };
  }

  @Get(':id/input_items')
  @Needs('research:read')
  @Describes(listInputItems)
  async items(@From() { tenantId }: Caller, @Param('id') id: string, @Query() query: unknown): Promise<InputItemList> {
    const page = parseInput(itemsQuery, query);
    const run = await this.#responses.run(tenantId, id);
    return itemPage(inputItems(run.runId, shownRun(run).echo.input), page);
  }

  async #stream(
    caller: Caller,
    { runId, after }: { runId: string; after: number },
    reply: FastifyReply,
  ): Promise<void> {
    const leaves = leaving(this.#waits, caller, reply);
    const events = this.#responses.follow(caller.tenantId, runId, leaves);
    await reply.headers(sseHeaders).send(sseOf(toResponseSse(events, after), { ...this.#waits, ends: caller.ends }));
  }
}
