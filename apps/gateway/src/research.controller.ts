import { Body, Controller, Delete, Get, Headers, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  type AcceptedResource,
  acceptedResource,
  eventHeaders,
  eventMeanings,
  eventQuery,
  explanationResource,
  idempotencyKey,
  parseInput,
  type RunList,
  type RunResource,
  researchBody,
  runList,
  runQuery,
  runResource,
} from '#contracts';
import { type Explanation, renderMarkdown } from '#domain';
import { InvalidState, NotFound } from '#errors';
import type { Runs } from '#runs';
import { by, type Caller, From, Needs } from './access/caller.ts';
import type { EventStreams } from './event-stream.ts';
import { Intake } from './intake.ts';
import { Describes, runParam } from './openapi/operation.ts';
import { toResource } from './resources.ts';
import { EVENT_STREAMS, RUNS } from './tokens.ts';

const startHeaders = z.object({
  'idempotency-key': idempotencyKey,
  traceparent: z
    .string()
    .optional()
    .meta({
      description: 'The W3C trace that the run shall belong to. One that is not valid is as good as none.',
      examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    }),
});

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
} as const;

const eventList = Object.entries(eventMeanings)
  .map(([type, meaning]) => `- \`${type}\`: ${meaning}`)
  .join('\n');

@Controller('v1/research')
export class ResearchController {
  readonly #runs: Runs;
  readonly #intake: Intake;
  readonly #streams: EventStreams;

  constructor(@Inject(RUNS) runs: Runs, @Inject(Intake) intake: Intake, @Inject(EVENT_STREAMS) streams: EventStreams) {
    this.#runs = runs;
    this.#intake = intake;
    this.#streams = streams;
  }

  @Post()
  @HttpCode(202)
  @Needs('research:write')
  @Describes({
    summary: 'Start a run',
    description: 'Answered once the request is written down: from then on nothing that happens to a process loses it.',
    headers: startHeaders,
    body: researchBody,
    answers: { 202: acceptedResource },
    faults: ['model_unavailable', 'idempotency_conflict', 'quota_exceeded'],
  })
  async create(
    @From() caller: Caller,
    @Body() raw: unknown,
    @Headers('idempotency-key') idempotencyKey: unknown,
    @Headers('traceparent') traceparent: unknown,
  ): Promise<AcceptedResource> {
    const body = parseInput(researchBody, raw);
    const accepted = await this.#intake.accept(caller, { body, sent: body }, { idempotencyKey, traceparent });
    const { runId: id, ahead } = accepted;
    if (ahead !== null) return { id, status: 'queued', queue_position: ahead };
    const { status, queuePosition } = await this.#runs.standing(caller.tenantId, id);
    return { id, status, queue_position: queuePosition };
  }

  @Get()
  @Needs('research:read')
  @Describes({
    summary: 'List runs, newest first',
    description: 'Those that fit, without their reports.',
    query: runQuery,
    answers: { 200: runList },
  })
  async list(@From() { tenantId }: Caller, @Query() query: unknown): Promise<RunList> {
    const { before, limit, ...filter } = parseInput(runQuery, query);
    const runs = await this.#runs.list(tenantId, { before: before ?? null, limit, ...filter });
    const next = runs.length === limit ? (runs.at(-1)?.runId ?? null) : null;
    return { data: runs.map(toResource), next };
  }

  @Get(':id')
  @Needs('research:read')
  @Describes({ summary: 'Look at a run', params: runParam, answers: { 200: runResource } })
  async get(@From() { tenantId }: Caller, @Param('id') id: string): Promise<RunResource> {
    return toResource(await this.#runs.get(tenantId, id));
  }

  @Get(':id/explain')
  @Needs('research:read')
  @Describes({
    summary: 'Where the time of a run went',
    description: 'Piece by piece, with its slowest calls, retries and faults; of one under way as far as it has come.',
    params: runParam,
    answers: { 200: explanationResource },
  })
  async explain(@From() { tenantId }: Caller, @Param('id') id: string): Promise<Explanation> {
    return await this.#runs.accounts.explain(tenantId, id);
  }

  @Get(':id/events')
  @Needs('research:read')
  @Describes({
    summary: 'Follow a run',
    description: `The last event is the terminal one. Text comes as \`delta\` events while a model writes it; these have no
number, and the event of the finished step makes them good. A comment keeps a quiet stream open. A client that takes
nothing for 30 s is cut off; come back with the number of the last event that you have. 204 says that there is none behind
it: the run has ended. The durable events:

${eventList}`,
    params: runParam,
    query: eventQuery,
    headers: eventHeaders,
    answers: {
      204: null,
      200: {
        type: 'text/event-stream',
        description: 'Server-sent events: `id` is the number of the event, `event` its type, `data` JSON.',
        example: 'id: 3\nevent: step.started\ndata: {"step":0,"at":"2026-01-31T12:00:00.050Z"}\n\n',
      },
    },
  })
  async events(
    @From() { tenantId, ends }: Caller,
    @Param('id') runId: string,
    @Req() { headers, query, method }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { after } = parseInput(eventQuery, query);
    const { 'last-event-id': number = after ?? 0 } = parseInput(eventHeaders, headers);
    const { last, ended } = await this.#runs.position(tenantId, runId);
    if (ended && number >= last) return await reply.status(204).send();
    reply.headers(streamHeaders);
    // Fastify would follow the run to its end for nobody.
    if (method === 'HEAD') return await reply.send('');
    await reply.send(this.#streams.open({ tenantId, runId, after: number, ends }));
  }

  @Post(':id/cancel')
  @HttpCode(202)
  @Needs('research:write')
  @Describes({
    summary: 'End a run',
    description: 'At once when nobody works on it yet, else at the next step of its worker.',
    params: runParam,
    answers: { 202: runResource },
    faults: ['invalid_state'],
  })
  async cancel(@From() { tenantId }: Caller, @Param('id') id: string): Promise<RunResource> {
    await this.#runs.requestCancel(tenantId, id);
    return toResource(await this.#runs.get(tenantId, id));
  }

  @Delete(':id')
  @HttpCode(204)
  @Needs('research:write')
  @Describes({
    summary: 'Delete a run',
    description: `It is gone when this is answered, with its events, its report, and the texts that no other run cites. One that
has not ended is stopped, and its event streams end. What it spent counts on.`,
    params: runParam,
    answers: { 204: null },
  })
  async remove(@From() caller: Caller, @Param('id') runId: string): Promise<void> {
    await this.#runs.forget({ ...by(caller), runId });
  }

  @Get(':id/report.md')
  @Needs('research:read')
  @Describes({
    summary: 'The report as markdown',
    params: runParam,
    answers: { 200: { type: 'text/markdown', description: 'For people.', example: '# Why do leases end?\n' } },
    faults: ['invalid_state'],
  })
  async reportMarkdown(
    @From() { tenantId }: Caller,
    @Param('id') id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { report, status } = await this.#runs.get(tenantId, id);
    if (report === null) throw new InvalidState(`Run ${id} is ${status} and has no report.`);
    await reply.header('content-type', 'text/markdown; charset=utf-8').send(renderMarkdown(report));
  }

  @Get(':id/snapshots/:sha256')
  @Needs('research:read')
  @Describes({
    summary: 'A text that the report cites',
    description: "What a report's citations point into. Only texts that the run's own report cites are served.",
    params: {
      ...runParam,
      sha256: {
        description: 'Of one of the sources of the report.',
        example: '5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9',
      },
    },
    answers: { 200: { type: 'text/plain', description: 'The text.', example: 'A worker that falls silent ...' } },
  })
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
