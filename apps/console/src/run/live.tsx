import { memo } from 'preact/compat';
import { useCallback, useState } from 'preact/hooks';
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
      <Meters log={log} />
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

function Meters({ log }: { log: RunLog }) {
  const { used, startedAt, endedAt } = log;
  return (
    <dl class="meters">
      <Figure label="Steps" value={count(used.steps)} />
      <Figure label="Calls" value={count(used.calls)} />
      <Figure label="Sources" value={count(log.sources.size)} />
      <Figure label="Tokens" value={compact(used.promptTokens + used.completionTokens)} />
      <Figure label="From cache" value={shareOf(used.cachedTokens, used.promptTokens)} />
      <Elapsed {...{ startedAt, endedAt }} />
    </dl>
  );
}

function shareOf(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.round((100 * part) / whole)} %`;
}

function Elapsed({ startedAt, endedAt }: { startedAt: string | null; endedAt: string | null }) {
  const [now, setNow] = useState(() => Date.now());
  useEvery(
    1_000,
    useCallback(() => setNow(Date.now()), []),
  );
  const until = endedAt === null ? now : Date.parse(endedAt);
  return <Figure label="Time" value={startedAt === null ? '–' : lasting(until - Date.parse(startedAt))} />;
}

/** Drawn anew only where there is another source. */
const Sources = memo(SourceList, (was, is) => was.log === is.log && was.size === is.size);

function SourceList({ log }: { log: RunLog; size: number }) {
  const sources = [...log.sources].reverse();
  return (
    <section>
      <h2>Sources</h2>
      {sources.length === 0 && <p class="quiet">None yet. Each appears here as it is read.</p>}
      <ol class="sources">
        {sources.slice(0, mostShown).map(([uri, step]) => (
          <li key={uri}>
            <SourceName uri={uri} />
            <span class="quiet">step {step + 1}</span>
          </li>
        ))}
      </ol>
      {sources.length > mostShown && <p class="quiet">and {count(sources.length - mostShown)} before them</p>}
    </section>
  );
}

/** Sources in view; the report lists those that count. */
const mostShown = 100;
