import type { FleetResource, UsageResource } from '../libs.ts';
import { compact, count, usd } from '../ui/format.ts';
import { Empty, Figures } from '../ui/parts.tsx';
import { type Stacked, stacked } from './days.ts';

const shownDays = 14;
const chart = { width: 700, height: 160, gap: 6 };

/** What each tenant spent on each day. */
export function Spending({ days }: { days: FleetResource['spending'] }) {
  const stack = stacked(days, new Date().toISOString().slice(0, 10), shownDays);
  const say = stack.unit === 'usd' ? usd : (n: number) => `${compact(n)} tokens`;
  return (
    <section class="whole">
      <h2>Spending by tenant, last {shownDays} days (UTC)</h2>
      {days.length === 0 && <p class="quiet">Nothing yet.</p>}
      {days.length > 0 && <Columns stack={stack} say={say} />}
      {days.length > 0 && <TenantTable days={days} />}
    </section>
  );
}

function Columns({ stack, say }: { stack: Stacked; say: (n: number) => string }) {
  const most = Math.max(...stack.days.map(({ total }) => total), Number.MIN_VALUE);
  const step = chart.width / stack.days.length;
  return (
    <figure>
      <svg
        class="columns"
        viewBox={`0 0 ${chart.width} ${chart.height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Spending by day; the most on one day was ${say(most)}`}
      >
        {stack.days.map((day, at) => (
          <Column
            key={day.day}
            day={day}
            left={at * step}
            width={step - chart.gap}
            scale={chart.height / most}
            say={say}
          />
        ))}
      </svg>
      <p class="axis quiet">
        <span>{stack.days[0]?.day}</span>
        <span>highest: {say(most)}</span>
        <span>{stack.days.at(-1)?.day}</span>
      </p>
      <figcaption class="legend">
        {stack.tenants.map((tenant, index) => (
          <span key={tenant}>
            <span class={`swatch part-${index}`} aria-hidden="true" />
            {tenant}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

interface ColumnProps {
  readonly day: Stacked['days'][number];
  readonly left: number;
  readonly width: number;
  /** Pixels of one USD or token. */
  readonly scale: number;
  readonly say: (n: number) => string;
}

function Column({ day: { day, parts, total }, left, width, scale, say }: ColumnProps) {
  let top = chart.height;
  return (
    <g>
      <title>{`${day}: ${say(total)}`}</title>
      {parts.map((part, index) => {
        top -= part * scale;
        return <rect key={index} class={`part-${index}`} x={left} y={top} width={width} height={part * scale} />;
      })}
    </g>
  );
}

function TenantTable({ days }: { days: FleetResource['spending'] }) {
  return (
    <details>
      <summary>As a table</summary>
      <Figures columns={['Day', 'Tenant', 'Runs', 'Tokens', 'Cost']}>
        {days.map(({ day, tenant_id, runs, tokens, usd: cost }) => (
          <tr key={`${day} ${tenant_id}`}>
            <th scope="row">{day}</th>
            <td>{tenant_id}</td>
            <td>{count(runs)}</td>
            <td>{compact(tokens)}</td>
            <td>{usd(cost)}</td>
          </tr>
        ))}
      </Figures>
    </details>
  );
}

const columns = ['Day (UTC)', 'Runs', 'Model calls', 'Tool calls', 'Tokens', 'From cache', 'Cost'];

/** What the reader's own tenant spent. */
export function OwnDays({ days }: { days: UsageResource['days'] }) {
  if (days.length === 0) return <Empty>Nothing was spent in the last 30 days.</Empty>;
  return (
    <Figures columns={columns}>
      {days.map((day) => (
        <tr key={day.day}>
          <th scope="row">{day.day}</th>
          <td>{count(day.runs)}</td>
          <td>{count(day.model_calls)}</td>
          <td>{count(day.tool_calls)}</td>
          <td>{compact(day.prompt_tokens + day.completion_tokens)}</td>
          <td>{compact(day.cached_tokens)}</td>
          <td>{usd(day.usd)}</td>
        </tr>
      ))}
    </Figures>
  );
}
