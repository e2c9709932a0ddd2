import { useMemo, useRef, useState } from 'preact/hooks';
import { prepareFollowUp } from '../ask/follow-up.ts';
import { compact, dayOf, lasting, usd } from '../ui/format.ts';
import { At, Figure, SourceName } from '../ui/parts.tsx';
import { go } from '../ui/router.ts';
import { markedAnswer, type Report as ReportOf } from './cited.ts';
import { Evidence, type Pointed } from './evidence.tsx';
import { Exports } from './exports.tsx';
import { rendered } from './markdown.ts';

/** A report to be read, with the proof of each sentence beside it. */
export function Report({ report, corpora }: { report: ReportOf; corpora: readonly string[] }) {
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const followUp = (): void => {
    prepareFollowUp(report, corpora);
    go('/');
  };
  return (
    <div class="report">
      <div class="column">
        <Outcome report={report} />
        <Answer report={report} pointed={pointed} onPoint={setPointed} />
        {report.output !== null && <Output report={report} />}
        <Sources report={report} />
        <Spent report={report} />
        <div class="report-actions">
          <Exports report={report} />
          <button type="button" onClick={followUp}>
            Ask a follow-up
          </button>
        </div>
      </div>
      <Evidence report={report} pointed={pointed} onClose={() => setPointed(null)} />
    </div>
  );
}

/** What a reader must know before the first sentence. */
function Outcome({ report: { incomplete_details: details, status, degraded, claims } }: { report: ReportOf }) {
  const unproven = claims.filter(({ verdict }) => verdict === 'unsupported').length;
  return (
    <>
      {details !== null && <p class={status === 'failed' ? 'trouble' : 'notice'}>{details.message}</p>}
      {degraded.includes('no_web_search') && <p class="notice">The web was not searched for this report.</p>}
      {unproven > 0 && (
        <p class="notice warn">
          {unproven} of {claims.length} claims have no proof in what was read. Each is marked.
        </p>
      )}
    </>
  );
}

interface AnswerProps {
  readonly report: ReportOf;
  readonly pointed: Pointed | null;
  readonly onPoint: (pointed: Pointed) => void;
}

function Answer({ report, pointed, onPoint }: AnswerProps) {
  const box = useRef<HTMLDivElement>(null);
  const html = useMemo(() => rendered(markedAnswer(report)), [report]);
  const point = (pinned: boolean) => (event: Event) => {
    const mark = event.target instanceof Element ? event.target.closest('button[data-claim]') : null;
    if (!(mark instanceof HTMLElement) || (!pinned && pointed?.pinned)) return;
    for (const one of box.current?.querySelectorAll('[aria-current]') ?? []) one.removeAttribute('aria-current');
    mark.setAttribute('aria-current', 'true');
    onPoint({ claim: Number(mark.dataset['claim']), source: Number(mark.dataset['source'] ?? 0), pinned });
  };
  if (report.answer.trim() === '') return <p class="empty">No answer was found.</p>;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: what is pointed at and pressed are the buttons in the text
    // biome-ignore lint/a11y/useKeyWithClickEvents: a button that is pressed by a key is clicked
    // biome-ignore lint/a11y/useKeyWithMouseEvents: onFocusIn, which unlike onFocus hears of what is inside
    <div
      ref={box}
      class="answer"
      onMouseOver={point(false)}
      onFocusIn={point(true)}
      onClick={point(true)}
      dangerouslySetInnerHTML={{ __html: html }}
    />
  );
}

function Output({ report: { output, output_citations: proofs } }: { report: ReportOf }) {
  return (
    <section>
      <h2>Output</h2>
      <pre class="json">{JSON.stringify(output, null, 2)}</pre>
      <ul class="proofs">
        {proofs.map(({ path, verdict, citations }) => (
          <li key={path}>
            <code>{path}</code> {verdict === 'supported' ? `“${citations[0]?.quote ?? ''}”` : <em>no proof</em>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sources({ report: { sources, attributions } }: { report: ReportOf }) {
  if (sources.length === 0) return null;
  return (
    <section>
      <h2>Sources</h2>
      <ol class="cited">
        {sources.map(({ id, uri, title, sha256, fetched_at }) => (
          <li key={id} id={`source-${id}`}>
            <SourceName uri={uri} title={title} />
            <span class="quiet">
              {uri.replace(/^corpus:/, '')} · read <At at={fetched_at} as={dayOf} /> · sha256 {sha256.slice(0, 12)}
            </span>
          </li>
        ))}
      </ol>
      {attributions.map(({ provider, text }) => (
        <p key={provider} class="quiet">
          Searched with {provider} ({text})
        </p>
      ))}
    </section>
  );
}

function Spent({ report: { usage, model } }: { report: ReportOf }) {
  return (
    <dl class="meters">
      <Figure label="Written by" value={model ?? 'nobody'} />
      <Figure label="Steps" value={compact(usage.steps)} />
      <Figure label="Calls" value={compact(usage.tool_calls)} />
      <Figure label="Tokens" value={compact(usage.prompt_tokens + usage.completion_tokens)} />
      <Figure label="Cost" value={usd(usage.usd)} />
      <Figure label="Time" value={lasting(usage.seconds * 1000)} />
    </dl>
  );
}
