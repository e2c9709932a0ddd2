import { ask } from '../api/client.ts';
import type { UsageResource } from '../libs.ts';
import { useAsked } from '../ui/asked.ts';
import { count, usd } from '../ui/format.ts';
import { Figure, Heading, Loaded } from '../ui/parts.tsx';
import { Keys } from './keys.tsx';
import { Secrets } from './secrets.tsx';

/** What a tenant sets for itself. */
export function Settings() {
  const [usage] = useAsked((signal) => ask<UsageResource>('/v1/usage', { signal }), []);
  return (
    <section class="settings">
      <Heading title="Settings" />
      <section>
        <h2>Quotas</h2>
        <Loaded of={usage}>{(value) => <Quotas usage={value} />}</Loaded>
      </section>
      <Secrets />
      <Keys />
    </section>
  );
}

function Quotas({ usage: { limits, days, unfinished_runs: unfinished } }: { usage: UsageResource }) {
  const today = days.find(({ day }) => day === new Date().toISOString().slice(0, 10));
  if (limits === null) return <p class="quiet">This server asks for no keys, so nothing is limited.</p>;
  const tokens = (today?.prompt_tokens ?? 0) + (today?.completion_tokens ?? 0);
  return (
    <dl class="meters">
      <Used label="Runs at once" used={unfinished} limit={limits.concurrent_runs} as={count} />
      <Used label="Tokens today (UTC)" used={tokens} limit={limits.tokens_per_day} as={count} />
      <Used label="Money today (UTC)" used={today?.usd ?? 0} limit={limits.usd_per_day} as={usd} />
      <Figure
        label="Requests a minute"
        value={limits.requests_per_minute === null ? 'any' : count(limits.requests_per_minute)}
      />
    </dl>
  );
}

interface UsedProps {
  readonly label: string;
  readonly used: number;
  readonly limit: number | null;
  readonly as: (n: number) => string;
}

function Used({ label, used, limit, as }: UsedProps) {
  if (limit === null) return <Figure label={label} value={as(used)} of="any" />;
  return <Figure label={label} value={as(used)} of={as(limit)} share={Math.min(1, used / limit)} />;
}
