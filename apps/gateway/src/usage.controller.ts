import { Readable } from 'node:stream';
import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  csvOf,
  parseInput,
  runUsageLimit,
  runUsageList,
  runUsageQuery,
  usageColumns,
  usageQuery,
  usageResource,
  wantsCsv,
} from '#contracts';
import type { Runs } from '#runs';
import { type Caller, From, Needs } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { RUNS } from './tokens.ts';

const dayMs = 86_400_000;

/** Days that are told where no first one is named. */
const usualDays = 30;

const csv = {
  type: 'text/csv',
  description: 'The same as a table (RFC 4180), where `Accept` asks for it.',
  example: 'day,runs,usd\r\n2026-01-31,2,0.31\r\n',
} as const;

const counted =
  'Each run counts on the UTC day on which it was accepted, with all that it spends, also after it was deleted.';

@Controller('v1/usage')
export class UsageController {
  readonly #runs: Runs;

  constructor(@Inject(RUNS) runs: Runs) {
    this.#runs = runs;
  }

  @Get()
  @Needs('usage:read')
  @Describes({
    summary: 'What runs have used, by the day',
    description: counted,
    query: usageQuery,
    answers: { 200: [usageResource, csv] },
  })
  async usage(
    @From() { tenantId, limits }: Caller,
    @Query() query: unknown,
    @Req() { headers }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { from, to } = daysOf(parseInput(usageQuery, query));
    const { days, unfinished } = await this.#runs.accounts.usage(tenantId, from, to);
    if (wantsCsv(headers.accept)) return await sendCsv(reply, csvOf(['day', ...usageColumns], days));
    await reply.send({ days, unfinished_runs: unfinished, limits });
  }

  @Get('runs')
  @Needs('usage:read')
  @Describes({
    summary: 'What runs have used, one by one',
    description: `${counted} Those that are gone are told together, by the day, so that all rows add up to the days.`,
    query: runUsageQuery,
    answers: { 200: [runUsageList, csv] },
  })
  async usageOfRuns(
    @From() { tenantId }: Caller,
    @Query() query: unknown,
    @Req() { headers, method }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { before = null, limit, ...rest } = parseInput(runUsageQuery, query);
    const page = { ...daysOf(rest), before, limit };
    if (!wantsCsv(headers.accept)) {
      const { rows, next } = await this.#runs.accounts.usageOfRuns(tenantId, page);
      return await reply.send({ data: rows, next });
    }
    // Fastify would read all of it for nobody.
    await sendCsv(reply, method === 'HEAD' ? '' : Readable.from(this.#lines(tenantId, page)));
  }

  /** All runs from there on, read as they are sent. */
  async *#lines(tenantId: string, page: { from: string; to: string; before: string | null }): AsyncGenerator<string> {
    const columns = ['run_id', 'day', 'model', 'status', ...usageColumns];
    yield csvOf(columns, []);
    for (let { before } = page; ; ) {
      const part = { ...page, before, limit: runUsageLimit };
      const { rows, next } = await this.#runs.accounts.usageOfRuns(tenantId, part);
      yield csvOf(columns, rows, false);
      if (next === null) return;
      before = next;
    }
  }
}

async function sendCsv(reply: FastifyReply, body: string | Readable): Promise<void> {
  await reply.header('content-type', 'text/csv; charset=utf-8').send(body);
}

function daysOf({ from, to = dayOf(Date.now()) }: { from?: string | undefined; to?: string | undefined }) {
  return { from: from ?? dayOf(Date.parse(to) - (usualDays - 1) * dayMs), to };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
