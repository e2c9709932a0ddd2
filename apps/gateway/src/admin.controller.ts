import { Controller, Get, Inject } from '@nestjs/common';
import { type FleetResource, fleetResource, type ScalingResource, scalingResource } from '#contracts';
import type { PoolDecision, Runs } from '#runs';
import { Needs } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { RUNS } from './tokens.ts';

const dayMs = 86_400_000;

/** Days of spending that are told. */
const spendingDays = 14;

const mostDecisions = 100;

/** What concerns the fleet and no tenant. */
@Controller('v1/admin')
export class AdminController {
  readonly #runs: Runs;

  constructor(@Inject(RUNS) runs: Runs) {
    this.#runs = runs;
  }

  @Get('fleet')
  @Needs('fleet:admin')
  @Describes({
    summary: 'How the fleet stands',
    description: 'Of all tenants: figures and ids, nothing of what was asked or found.',
    answers: { 200: fleetResource },
  })
  async fleet(): Promise<FleetResource> {
    const firstDay = new Date(Date.now() - (spendingDays - 1) * dayMs).toISOString().slice(0, 10);
    const { overview } = this.#runs;
    const [{ at, queues, workers, faults }, spending] = await Promise.all([
      overview.fleet(),
      overview.spending(firstDay),
    ]);
    return {
      at,
      queues: [...queues],
      workers: workers.map((worker) => ({ ...worker, jobs: [...worker.jobs] })),
      faults: [...faults],
      spending: [...spending],
    };
  }

  @Get('scaling')
  @Needs('fleet:admin')
  @Describes({
    summary: 'What the autoscaler decided, and why',
    description: 'Each pool as it was last looked at, and the latest decisions that changed something.',
    answers: { 200: scalingResource },
  })
  async scaling(): Promise<ScalingResource> {
    const { pools, decisions } = await this.#runs.overview.scaling(mostDecisions);
    return { pools: pools.map(toDecision), decisions: decisions.map(toDecision) };
  }
}

/** A decision of any release; what it did not write is empty. */
interface Told {
  readonly target?: number;
  readonly alarms?: readonly string[];
  readonly reasons?: readonly string[];
  readonly actions?: readonly { readonly kind: string; readonly unit?: string; readonly to?: number }[];
}

function toDecision({ pool, at, decision }: PoolDecision): ScalingResource['pools'][number] {
  const { target = null, alarms = [], reasons = [], actions = [] } = (decision ?? {}) as Told; // of any release
  return {
    pool,
    at: new Date(at).toISOString(),
    target,
    reasons: [...reasons],
    actions: actions.map(({ kind, unit, to }) => `${kind} ${unit ?? `to ${to}`}`),
    alarms: [...alarms],
  };
}
