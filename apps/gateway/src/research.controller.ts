import { randomBytes } from 'node:crypto';
import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { type AcceptedResource, parseInput, type RunResource, researchBody } from '#contracts';
import { renderMarkdown } from '#domain';
import { InvalidInput, InvalidState, NotFound } from '#errors';
import { childOf } from '#platform';
import type { Runs, RunView } from '#runs';
import { bodyHash, newRunId, type Offer, toRequest } from './acceptance.ts';
import { eventStream, type StreamSettings } from './event-stream.ts';
import { toResource } from './resources.ts';
import { OFFER, RUNS, STREAMS, TENANT } from './tokens.ts';

const idempotencyKey = z.string().min(1).max(200).optional();
const cursor = z.object({
  before: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});
const eventNumber = z.coerce.number().int().min(0);

@Controller('v1/research')
export class ResearchController {
  readonly #runs: Runs;
  readonly #offer: Offer;
  readonly #tenantId: string;
  readonly #streams: StreamSettings;

  constructor(
    @Inject(RUNS) runs: Runs,
    @Inject(OFFER) offer: Offer,
    @Inject(TENANT) tenantId: string,
    @Inject(STREAMS) streams: StreamSettings,
  ) {
    this.#runs = runs;
    this.#offer = offer;
    this.#tenantId = tenantId;
    this.#streams = streams;
  }

  @Post()
  @HttpCode(202)
  async create(
    @Body() raw: unknown,
    @Headers('idempotency-key') key: unknown,
    @Headers('traceparent') traceparent: unknown,
  ): Promise<AcceptedResource> {
    const body = parseInput(researchBody, raw);
    const idempotency = parseInput(idempotencyKey, key);
    await this.#expectCorpora(body.sources?.corpora ?? []);
    const now = new Date();
    const { runId } = await this.#runs.accept({
      tenantId: this.#tenantId,
      runId: newRunId(now.getTime(), randomBytes(10)),
      request: toRequest(body, this.#offer, now.toISOString().slice(0, 10)),
      requestSha256: bodyHash(body),
      traceparent: childOf(traceparent),
      ...(idempotency === undefined ? {} : { idempotencyKey: idempotency }),
    });
    const { status, queuePosition } = await this.#find(runId);
    return { id: runId, status, queue_position: queuePosition };
  }

  @Get()
  async list(@Query() query: unknown): Promise<{ data: RunResource[]; next: string | null }> {
    const { before, limit } = parseInput(cursor, query);
    const runs = await this.#runs.list(this.#tenantId, before ?? null, limit);
    const next = runs.length === limit ? (runs.at(-1)?.runId ?? null) : null;
    return { data: runs.map(toResource), next };
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<RunResource> {
    return toResource(await this.#find(id));
  }

  @Get(':id/events')
  async events(
    @Param('id') id: string,
    @Headers('last-event-id') last: string | undefined,
    @Query('after') after: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.#find(id);
    const number = parseInput(eventNumber, last ?? after ?? 0);
    const stream = eventStream(this.#runs, { tenantId: this.#tenantId, runId: id, after: number, ...this.#streams });
    await reply
      .header('content-type', 'text/event-stream; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(stream);
  }

  @Post(':id/cancel')
  @HttpCode(202)
  async cancel(@Param('id') id: string): Promise<RunResource> {
    await this.#runs.requestCancel(this.#tenantId, id);
    return toResource(await this.#find(id));
  }

  @Get(':id/report.md')
  async reportMarkdown(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    const { report, status } = await this.#find(id);
    if (report === null) throw new InvalidState(`Run ${id} is ${status} and has no report.`);
    await reply.header('content-type', 'text/markdown; charset=utf-8').send(renderMarkdown(report));
  }

  /** The stored text that a report's citations point into. Only texts that the run's own report cites are served. */
  @Get(':id/snapshots/:sha256')
  async snapshot(@Param('id') id: string, @Param('sha256') sha256: string, @Res() reply: FastifyReply): Promise<void> {
    const { report } = await this.#find(id);
    const cited = report?.sources.some((source) => source.sha256 === sha256) ?? false;
    const text = cited ? (await this.#runs.texts(this.#tenantId, [sha256])).get(sha256) : undefined;
    if (text === undefined) throw new NotFound(`Run ${id} cites no snapshot ${sha256}.`);
    await reply.header('content-type', 'text/plain; charset=utf-8').send(text);
  }

  /** @throws InvalidInput saying of each why it cannot be searched */
  async #expectCorpora(ids: readonly string[]): Promise<void> {
    const uploaded = ids.filter((id) => !this.#offer.knowsCorpus(id));
    if (uploaded.length === 0) return;
    const faults = await this.#runs.corpora.faults(this.#tenantId, uploaded);
    if (faults.size === 0) return;
    throw new InvalidInput([...faults.values()].map((message) => ({ path: 'sources.corpora', message })));
  }

  async #find(id: string): Promise<RunView> {
    return await this.#runs.get(this.#tenantId, id);
  }
}
