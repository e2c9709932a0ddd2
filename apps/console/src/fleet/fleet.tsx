import { ask } from '../api/client.ts';
import type { FleetResource, ScalingResource, UsageResource } from '../libs.ts';
import { type Asked, useAsked, useEvery } from '../ui/asked.ts';
import { timeOf } from '../ui/format.ts';
import { At, Heading, Loaded } from '../ui/parts.tsx';
import { Decisions } from './decisions.tsx';
import { Groups } from './groups.tsx';
import { OwnDays, Spending } from './spending.tsx';
import { Faults, Queues, Workers } from './work.tsx';

const refreshMs = 3_000;
/** The autoscaler decides as often. */
const scalingMs = 15_000;

/** How the fleet stands: what waits, who works, what failed, what it cost, and why it is as large as it is. */
export function Fleet() {
  const [fleet, , refresh] = useAsked((signal) => ask<FleetResource>('/v1/admin/fleet', { signal }), []);
  const [scaling, , refreshScaling] = useAsked((signal) => ask<ScalingResource>('/v1/admin/scaling', { signal }), []);
  useEvery(refreshMs, refresh);
  useEvery(scalingMs, refreshScaling);
  if (fleet.state === 'failed' && fleet.isForbidden) return <OwnPart reason={fleet.message} />;
  return (
    <section class="fleet">
      <Heading title="Fleet">
        <p class="quiet">{fleet.state === 'ready' && <At at={fleet.value.at} as={timeOf} />}</p>
      </Heading>
      <Loaded of={fleet}>{(value) => <Whole fleet={value} scaling={scaling} />}</Loaded>
    </section>
  );
}

function Whole({ fleet, scaling }: { fleet: FleetResource; scaling: Asked<ScalingResource> }) {
  return (
    <div class="panels">
      <Queues queues={fleet.queues} />
      <Faults faults={fleet.faults} />
      <Workers workers={fleet.workers} />
      <Groups />
      <Spending days={fleet.spending} />
      <Loaded of={scaling}>{(value) => <Decisions scaling={value} />}</Loaded>
    </div>
  );
}

/** What somebody sees who may not look at the whole. */
function OwnPart({ reason }: { reason: string }) {
  const [usage] = useAsked((signal) => ask<UsageResource>('/v1/usage', { signal }), []);
  return (
    <section class="fleet">
      <Heading title="Fleet" lead="Your part of it." />
      <p class="notice">The whole fleet is not shown: {reason}</p>
      <h2>Your spending by day</h2>
      <Loaded of={usage}>{({ days }) => <OwnDays days={days} />}</Loaded>
    </section>
  );
}
