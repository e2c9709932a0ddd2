import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AcceptedResource, eventNumber, pageQuery, parseInput, type RunResource, researchBody } from '#contracts';
import { renderMarkdown } from '#domain';
import { InvalidState, NotFound } from '#errors';
import type { Runs } from '#runs';
import { type Caller, From, Needs } from './access/caller.ts';
import { eventStream, type StreamSettings } from './event-stream.ts';
import { Intake } from './intake.ts';
import { toResource } from './resources.ts';
import { RUNS, STREAMS } from './tokens.ts';

@Controller('v1/research')
export class ResearchController {
  readonly #runs: Runs;
  readonly #intake: Intake;
  readonly #streams: StreamSettings;

  constructor(@Inject(RUNS) runs: Runs, @Inject(Intake) intake: Intake, @Inject(STREAMS) streams: StreamSettings) {
    this.#runs = runs;
    this.#intake = intake;
    this.#streams = streams;
  }

  @Post()
  @HttpCode(202)
  @Needs('research:write')
  async create(
    @From() caller: Caller,
    @Body() raw: unknown,
    @Headers('idempotency-key') idempotencyKey: unknown,
    @Headers('traceparent') traceparent: unknown,
  ): Promise<AcceptedResource> {
    const body = parseInput(researchBody, raw);
    const id = await this.#intake.accept(caller, { body, sent: body }, { idempotencyKey, traceparent });
    const { status, queuePosition } = await this.#runs.get(caller.tenantId, id);
    return { id, status, queue_position: queuePosition };
  }

  @Get()
  @Needs('research:read')
  async list(
    @From() { tenantId }: Caller,
    @Query() query: unknown,
  ): Promise<{ data: RunResource[]; next: string | null }> {
    const { before, limit } = parseInput(pageQuery, query);
    const runs = await this.#runs.list(tenantId, before ?? null, limit);
    const next = runs.length === limit ? (runs.at(-1)?.runId ?? null) : null;
    return { data: runs.map(toResource), next };
  }

  @Get(':id')
  @Needs('research:read')
  async get(@From() { tenantId }: Caller, @Param('id') id: string): Promise<RunResource> {
    return toResource(await this.#runs.get(tenantId, id));
  }

  @Get(':id/events')
  @Needs('research:read')
  async events(
    @From() { tenantId }: Caller,
    @Param('id') id: string,
    @Req() { headers, query }: FastifyRequest<{ Querystring: { after?: string } }>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.#runs.get(tenantId, id);
    const number = parseInput(eventNumber, headers['last-event-id'] ?? query.after ?? '0');
    const stream = eventStream(this.#runs, { tenantId, runId: id, after: number, ...this.#streams });
    await reply
      .header('content-type', 'text/event-stream; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(stream);
  }

  @Post(':id/cancel')
  @HttpCode(202)
  @Needs('research:write')
  async cancel(@From() { tenantId }: Caller, @Param('id') id: string): Promise<RunResource> {
    await this.#runs.requestCancel(tenantId, id);
    return toResource(await this.#runs.get(tenantId, id));
  }

  @Get(':id/report.md')
  @Needs('research:read')
  async reportMarkdown(
    @From() { tenantId }: Caller,
    @Param('id') id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { report, status } = await this.#runs.get(tenantId, id);
    if (report === null) throw new InvalidState(`Run ${id} is ${status} and has no report.`);
    await reply.header('content-type', 'text/markdown; charset=utf-8').send(renderMarkdown(report));
  }

  /** The stored text that a report's citations point into. Only texts that the run's own report cites are served. */
  @Get(':id/snapshots/:sha256')
  @Needs('research:read')
  async snapshot(
    @From() { tenantId }: Caller,
    @Param('id') id: string,
    @Param('sha256') sha256: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { report } = await this.#runs.get(tenantId, id);
    const cited = report?.sources.some((source) => source.sha256 === sha256) ?? false;
    const text = cited ? (await this.#runs.texts(tenantId, [sha256])).get(sha256) : undefined;
    if (text === undefined) throw new NotFound(`Run ${id} cites no snapshot ${sha256}.`);
    await reply.header('content-type', 'text/plain; charset=utf-8').send(text);
  }
}
