import { useEffect, useState } from 'preact/hooks';
import { post } from '../api/client.ts';
import type { RunResource } from '../libs.ts';
import { Report } from '../report/report.tsx';
import { wordsOf } from '../ui/asked.ts';
import { dayOf } from '../ui/format.ts';
import { At, Status, Trouble } from '../ui/parts.tsx';
import { go } from '../ui/router.ts';
import { Live } from './live.tsx';
import { type Followed, useRun } from './use-run.ts';

type Face = 'report' | 'timeline';

/** One run: while it works, what it does; when it has ended, what came of it. */
export function RunView({ runId }: { runId: string }) {
  const followed = useRun(runId);
  const { log, run, fault } = followed;
  const [face, setFace] = useState<Face | null>(null);
  const report = run?.report ?? null;
  const shown = face ?? (report === null ? 'timeline' : 'report');
  const question = run?.question ?? 'A run';
  useEffect(() => {
    document.title = `${question.slice(0, 60)} · Argosy`;
    return () => {
      document.title = 'Argosy';
    };
  }, [question]);
  if (fault !== null && run === null && log.last === 0) return <Trouble message={fault} />;
  return (
    <article class="run">
      <header class="run-head">
        <h1>{question}</h1>
        <p class="facts">
          <Status status={log.hasEnded || run === null ? log.status : settled(run, followed)} />
          {run !== null && <At at={run.created_at} as={dayOf} />}
          <LineState followed={followed} />
        </p>
        <Actions followed={followed} />
      </header>
      {fault !== null && run === null && <Trouble message={fault} />}
      {report !== null && <Faces shown={shown} onChoose={setFace} />}
      {shown === 'report' && report !== null ? (
        <Report report={report} corpora={run?.corpora ?? []} />
      ) : (
        <Live followed={followed} />
      )}
    </article>
  );
}

/** The log knows of a start before the server is asked again, and the server of a wait in the queue. */
function settled(run: RunResource, { log }: Followed): string {
  return log.status === 'queued' ? run.status : log.status;
}

function LineState({ followed: { line, log } }: { followed: Followed }) {
  if (log.hasEnded) return null;
  const words = { connecting: 'Connecting …', live: 'Live', lost: 'Offline; trying again …', ended: '' }[line];
  return (
    <span class={`line ${line}`} role="status">
      {words}
    </span>
  );
}

function Faces({ shown, onChoose }: { shown: Face; onChoose: (face: Face) => void }) {
  const faces = [
    ['report', 'Report'],
    ['timeline', 'How it came about'],
  ] as const;
  return (
    <div class="faces" role="group" aria-label="What to show">
      {faces.map(([face, label]) => (
        <button key={face} type="button" aria-pressed={shown === face} onClick={() => onChoose(face)}>
          {label}
        </button>
      ))}
    </div>
  );
}

function Actions({ followed: { run, log, again } }: { followed: Followed }) {
  const [fault, setFault] = useState<string | null>(null);
  if (run === null) return null;
  const act = async (deed: () => Promise<unknown>): Promise<void> => {
    setFault(null);
    await deed().catch((error: unknown) => setFault(wordsOf(error)));
    again();
  };
  const remove = async (): Promise<void> => {
    if (!confirm('Delete this run, its report and the texts that only it cites? This cannot be undone.')) return;
    await post(`/v1/research/${run.id}`, undefined, 'DELETE');
    go('/runs');
  };
  const ended = log.hasEnded || run.ended_at !== null;
  return (
    <div class="actions">
      {!ended && (
        <button type="button" onClick={() => void act(() => post(`/v1/research/${run.id}/cancel`))}>
          Cancel
        </button>
      )}
      {ended && (
        <button type="button" class="plain" onClick={() => void act(remove)}>
          Delete
        </button>
      )}
      {fault !== null && <Trouble message={fault} />}
    </div>
  );
}
