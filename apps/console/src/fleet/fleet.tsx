import { ask } from '../api/client.ts';
import type { UsageResource } from '../libs.ts';
import { useAsked } from '../ui/asked.ts';
import { compact, count, usd } from '../ui/format.ts';
import { Empty, Heading, Loaded } from '../ui/parts.tsx';

/** How the fleet stands. */
export function Fleet() {
  const [usage] = useAsked((signal) => ask<UsageResource>('/v1/usage', { signal }), []);
  return (
    <section>
      <Heading title="Fleet" />
      <h2>Spending by day</h2>
      <Loaded of={usage}>{({ days }) => <Days days={days} />}</Loaded>
    </section>
  );
}

function Days({ days }: { days: UsageResource['days'] }) {
  if (days.length === 0) return <Empty>Nothing was spent in the last 30 days.</Empty>;
  return (
    <table class="figures">
      <thead>
        <tr>
          {['Day (UTC)', 'Runs', 'Model calls', 'Tool calls', 'Tokens', 'From cache', 'Cost'].map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
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
      </tbody>
    </table>
  );
}
