import { Controller, Get, Inject, Query } from '@nestjs/common';
import {
  type ExpertsResource,
  expertsQuery,
  expertsResource,
  type InferenceResource,
  inferenceResource,
  parseInput,
} from '#contracts';
import { NotFound } from '#errors';
import type { GroupLook, InferenceGroups } from '#model';
import { Needs } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { GROUPS } from './tokens.ts';

/** Digits that a mean of tokens is told with: 48 layers of 128 experts are 6,144 of them. */
const digits = 4;

/** The inference groups, asked when somebody looks. */
@Controller('v1/admin/inference')
export class InferenceController {
  readonly #groups: InferenceGroups | null;

  constructor(@Inject(GROUPS) groups: InferenceGroups | null) {
    this.#groups = groups;
  }

  @Get()
  @Needs('fleet:admin')
  @Describes({
    summary: 'How the inference groups stand',
    description: 'Each is asked now. One that does not answer within two seconds is told as such.',
    answers: { 200: inferenceResource },
  })
  async inference(): Promise<InferenceResource> {
    const at = new Date().toISOString();
    const looks = (await this.#groups?.look()) ?? [];
    return { at, groups: looks.map(toGroup) };
  }

  @Get('experts')
  @Needs('fleet:admin')
  @Describes({
    summary: 'Where the experts of a group are',
    description: 'The present placement, and how many tokens each expert had to do with.',
    query: expertsQuery,
    answers: { 200: expertsResource },
    faults: ['not_found'],
  })
  async experts(@Query() query: unknown): Promise<ExpertsResource> {
    const { group } = parseInput(expertsQuery, query);
    const at = new Date().toISOString();
    if (this.#groups === null) throw new NotFound('The model of this server is not served by inference groups.');
    const { planEpoch, layers, shards } = await this.#groups.experts(group);
    return {
      ...{ at, group, plan_epoch: planEpoch },
      layers: layers.map(({ layer, load, holders }) => ({
        layer,
        load: load.map((tokens) => Number(tokens.toPrecision(digits))),
        holders: holders.map((shards) => [...shards]),
      })),
      shards: shards.map(({ name, open, answeredTokens }) => ({ name, open, answered_tokens: answeredTokens })),
    };
  }
}

function toGroup(look: GroupLook): InferenceResource['groups'][number] {
  const { address, fault } = look;
  if (fault !== null) return { address, fault, serves: null, load: null };
  const { info, load } = look;
  return {
    address,
    fault,
    serves: {
      ...{ model: info.model, engine: info.engine, engine_version: info.engineVersion },
      ...{ context_tokens: info.contextTokens, shards: info.expertParallelSize },
    },
    load: {
      running: load.running ?? null,
      waiting: load.waiting ?? null,
      resident_sessions: load.residentSessions ?? null,
      draining: load.draining ?? info.draining,
      prefill_backlog_tokens: load.prefillBacklogTokens ?? null,
      kv_used_tokens: load.kvUsedTokens ?? null,
      kv_total_tokens: load.kvTotalTokens ?? null,
      reserved_tokens: load.reservedTokens ?? null,
      prompt_tokens: load.promptTokens ?? null,
      cached_tokens: load.cachedTokens ?? null,
      balancedness: load.balancedness ?? null,
      plan_epoch: load.planEpoch ?? null,
    },
  };
}
