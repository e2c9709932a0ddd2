import type { ScalingResource } from '../libs.ts';
import { count, dayOf } from '../ui/format.ts';
import { At } from '../ui/parts.tsx';

type Decision = ScalingResource['decisions'][number];

/** What the autoscaler decided, and why. */
export function Decisions({ scaling: { pools, decisions } }: { scaling: ScalingResource }) {
  return (
    <section class="whole">
      <h2>Autoscaler</h2>
      {pools.length === 0 && <p class="quiet">None runs here: the fleet is as large as it was started.</p>}
      <ul class="decisions">
        {pools.map((one) => (
          <DecisionLine key={one.pool} decision={one} />
        ))}
      </ul>
      {decisions.length > 0 && (
        <details>
          <summary>The last {decisions.length} that changed something</summary>
          <ul class="decisions">
            {decisions.map((one) => (
              <DecisionLine key={`${one.pool} ${one.at}`} decision={one} />
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function DecisionLine({ decision: { pool, at, target, reasons, actions, alarms } }: { decision: Decision }) {
  return (
    <li>
      <span class="name">{pool}</span>
      <span>{target === null ? '' : `${count(target)} units`}</span>
      <span class="words">
        {alarms.length > 0 && <strong class="alarm">{alarms.join(', ')} </strong>}
        {[...actions, ...reasons].join('; ')}
      </span>
      <span class="quiet">
        <At at={at} as={dayOf} />
      </span>
    </li>
  );
}
