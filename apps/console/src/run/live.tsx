import { memo } from 'preact/compat';
import { useCallback, useState } from 'preact/hooks';
import type { RunResource } from '../libs.ts';
import { useEvery } from '../ui/asked.ts';
import { compact, count, lasting } from '../ui/format.ts';
import { Figure, SourceName } from '../ui/parts.tsx';
import { Detail } from './detail.tsx';
import type { RunLog } from './run-log.ts';
import { Timeline } from './timeline.tsx';
import type { Followed } from './use-run.ts';

/** What a run does, as it does it. */
export function Live({ followed: { log, run } }: { followed: Followed }) {
  const [chosen, setChosen] = useState<number | null>(null);
  const row = chosen === null ? undefined : log.rows.find(({ seq }) => seq === chosen);
  const ahead = log.status === 'queued' ? (run?.queue_position ?? null) : null;
  return (
    <div class="live">
      <Meters log={log} budget={run?.budget ?? {}} />
      {ahead !== null && (
        <p class="quiet" role="status">
          {ahead === 0 ? 'Next in the queue.' : `${count(ahead)} of your runs wait before it.`}
        </p>
      )}
      <div class="bench">
        <Timeline rows={log.rows} chosen={chosen} onChoose={setChosen} ended={log.hasEnded} />
        <aside class="side" aria-label="Details">
          {row === undefined ? (
            <Sources log={log} size={log.sources.size} />
          ) : (
            <Detail row={row} onClose={() => setChosen(null)} />
          )}
        </aside>
      </div>
    </div>
  );
}

function Meters({ log, budget }: { log: RunLog; budget: Partial<RunResource['budget']> }) {
  const { used, startedAt, endedAt } = log;
  const tokens = used.promptTokens + used.completionTokens;
  return (
    <dl class="meters">
      <Figure label="Steps" value={count(used.steps)} {...against(used.steps, budget.steps, count)} />
      <Figure label="Calls" value={count(used.calls)} {...against(used.calls, budget.tool_calls, count)} />
      <Figure label="Sources" value={count(log.sources.size)} />
      <Figure label="Tokens" value={compact(tokens)} {...against(tokens, budget.tokens, compact)} />
      <Figure label="From cache" value={shareOf(used.cachedTokens, used.promptTokens)} />
      <Elapsed {...{ startedAt, endedAt }} limitSeconds={budget.seconds} />
    </dl>
  );
}

/** What a limit adds to a figure: itself, and how much of it is used. Nothing where there is none. */
function against(
  used: number,
  limit: number | undefined,
  told: (n: number) => string,
): { of?: string; share?: number } {
  return limit === undefined ? {} : { of: told(limit), share: Math.min(1, used / limit) };
}

function shareOf(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.round((100 * part) / whole)} %`;
}

interface Span {
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly limitSeconds: number | undefined;
}

function Elapsed({ startedAt, endedAt, limitSeconds }: Span) {
  const [now, setNow] = useState(() => Date.now());
  useEvery(
    1_000,
    useCallback(() => setNow(Date.now()), []),
  );
  if (startedAt === null) return <Figure label="Time" value="–" />;
  const ms = (endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt);
  const limitMs = limitSeconds === undefined ? undefined : 1000 * limitSeconds;
  return <Figure label="Time" value={lasting(ms)} {...against(ms, limitMs, lasting)} />;
}

/** Drawn anew only where there is another source. */
const Sources = memo(SourceList, (was, is) => was.log === is.log && was.size === is.size);

function SourceList({ log }: { log: RunLog; size: number }) {
  const [most, setMost] = useState(firstShown);
  const sources = [...log.sources].slice(-most).reverse();
  const before = log.sources.size - sources.length;
  return (
    <section>
      <h2>Sources</h2>
      {sources.length === 0 && <p class="quiet">None yet. Each appears here as it is read.</p>}
      <ol class="sources">
        {sources.map(([uri, step]) => (
          <li key={uri}>
            <SourceName uri={uri} />
            <span class="quiet">step {step + 1}</span>
          </li>
        ))}
      </ol>
      {before > 0 && (
        <button type="button" class="plain" onClick={() => setMost(log.sources.size)}>
          {count(before)} before them
        </button>
      )}
    </section>
  );
}

/** Newest sources, more than are in sight at first. */
const firstShown = 40;
