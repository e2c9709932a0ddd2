import { send } from '../api/client.ts';
import { useAsked } from '../ui/asked.ts';
import { dayOf } from '../ui/format.ts';
import { At, Loaded, SourceName } from '../ui/parts.tsx';
import { type Citation, citationsAt, excerptOf, type Report } from './cited.ts';

/** The mark that the reader is at: of which claim, for which source; 0 for a claim without proof. */
export interface Pointed {
  readonly claim: number;
  readonly source: number;
  /** It stays until another one is chosen. */
  readonly pinned: boolean;
}

interface EvidenceProps {
  readonly report: Report;
  readonly pointed: Pointed | null;
  readonly onClose: () => void;
}

/** The proof of a claim: its quotation where it stands, inside the text that was stored when it was read. */
export function Evidence({ report, pointed, onClose }: EvidenceProps) {
  return (
    <aside class={pointed === null ? 'evidence' : 'evidence open'} aria-label="Evidence" aria-live="polite">
      <header>
        <h2>Evidence</h2>
        {pointed !== null && (
          <button type="button" class="plain" onClick={onClose}>
            Close
          </button>
        )}
      </header>
      {pointed === null ? (
        <p class="quiet">Point at a number in the text: the passage it rests on appears here.</p>
      ) : (
        <Proof report={report} pointed={pointed} />
      )}
    </aside>
  );
}

function Proof({ report, pointed: { claim, source } }: { report: Report; pointed: Pointed }) {
  const said = report.claims[claim];
  if (said === undefined) return null;
  if (source === 0) {
    return (
      <>
        <p class="verdict bad">No proof</p>
        <blockquote class="claim">{said.text}</blockquote>
        <p>Nothing that this run read says so word for word. Take it as the model's own.</p>
      </>
    );
  }
  const citations = citationsAt(report, claim, source);
  return (
    <>
      <blockquote class="claim">{said.text}</blockquote>
      {citations.map((citation) => (
        <Quotation key={`${citation.source} ${citation.start}`} {...{ report, citation }} />
      ))}
    </>
  );
}

function Quotation({ report, citation }: { report: Report; citation: Citation }) {
  const source = report.sources.find(({ id }) => id === citation.source);
  if (source === undefined) return null;
  return (
    <section class="quotation">
      <h3>
        <SourceName uri={source.uri} title={source.title} />
      </h3>
      <p class="quiet">
        {source.uri.replace(/^corpus:/, '')}
        <br />
        Read <At at={source.fetched_at} as={dayOf} />
      </p>
      <Passage runId={report.run_id} sha256={source.sha256} citation={citation} />
    </section>
  );
}

interface PassageProps {
  readonly runId: string;
  readonly sha256: string;
  readonly citation: Citation;
}

function Passage({ runId, sha256, citation }: PassageProps) {
  const [text] = useAsked(() => snapshotOf(runId, sha256), [runId, sha256]);
  return (
    <Loaded of={text}>
      {(snapshot) => {
        const { before, quote, after, cut, stands } = excerptOf(snapshot, citation);
        return (
          <>
            <p class={stands ? 'verdict good' : 'verdict bad'}>
              {stands ? 'Stands in the stored text, word for word' : 'Does not stand in the stored text'}
            </p>
            <p class="passage" role="group" aria-label="The passage with the quotation">
              {cut.before && '… '}
              {before}
              <mark>{quote}</mark>
              {after}
              {cut.after && ' …'}
            </p>
          </>
        );
      }}
    </Loaded>
  );
}

/** Texts by their hash never change. */
const snapshots = new Map<string, Promise<string>>();

/** Texts kept in this page; the oldest goes first. */
const mostKept = 50;

async function snapshotOf(runId: string, sha256: string): Promise<string> {
  const known = snapshots.get(sha256);
  if (known !== undefined) return await known;
  const asked = send(`/v1/research/${runId}/snapshots/${sha256}`).then(async (response) => await response.text());
  snapshots.set(sha256, asked);
  asked.catch(() => snapshots.delete(sha256));
  const [oldest] = snapshots.keys();
  if (snapshots.size > mostKept && oldest !== undefined) snapshots.delete(oldest);
  return await asked;
}
