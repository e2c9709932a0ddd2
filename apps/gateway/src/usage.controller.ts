import { Controller, Get, Inject, Query } from '@nestjs/common';
import { parseInput, type UsageResource, usageQuery, usageResource } from '#contracts';
import type { Runs } from '#runs';
import { type Caller, From, Needs } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { RUNS } from './tokens.ts';

const dayMs = 86_400_000;

/** Days that are told where no first one is named. */
const usualDays = 30;

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
    description:
      'Each run counts on the UTC day on which it was accepted, with all that it spends, also after it was deleted.',
    query: usageQuery,
    answers: { 200: usageResource },
  })
  async usage(@From() { tenantId, limits }: Caller, @Query() query: unknown): Promise<UsageResource> {
    const { from, to = dayOf(Date.now()) } = parseInput(usageQuery, query);
    const first = from ?? dayOf(Date.parse(to) - (usualDays - 1) * dayMs);
    const { days, unfinished } = await this.#runs.accounts.usage(tenantId, first, to);
    return { days, unfinished_runs: unfinished, limits };
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
