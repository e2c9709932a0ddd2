import type { ComponentChildren } from 'preact';
import { count, exactly, lasting } from '../ui/format.ts';
import { SourceName } from '../ui/parts.tsx';
import type { CallRow, Row, StepRow } from './rows.ts';

/** All that is known of one entry of the timeline. */
export function Detail({ row, onClose }: { row: Row; onClose: () => void }) {
  return (
    <section class="detail">
      <header>
        <h2>{titleOf(row)}</h2>
        <button type="button" class="plain" onClick={onClose}>
          Close
        </button>
      </header>
      <p class="quiet">{exactly(row.at)}</p>
      <Inside row={row} />
    </section>
  );
}

function titleOf(row: Row): string {
  switch (row.kind) {
    case 'note':
      return 'Event';
    case 'step':
      return `Step ${row.step + 1}`;
    case 'call':
      return `${row.tool}, call ${row.index + 1} of step ${row.step + 1}`;
  }
}

function Inside({ row }: { row: Row }) {
  switch (row.kind) {
    case 'note':
      return <p>{row.text}</p>;
    case 'step':
      return <Step row={row} />;
    case 'call':
      return <Call row={row} />;
  }
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function took({ at, endedAt }: StepRow | CallRow): string {
  return endedAt === null ? 'under way' : lasting(Date.parse(endedAt) - Date.parse(at));
}

function Step({ row }: { row: StepRow }) {
  return (
    <>
      <dl class="pairs">
        <Fact name="Took">{took(row)}</Fact>
        <Fact name="Prompt">{count(row.promptTokens)} tokens</Fact>
        <Fact name="Reply">{count(row.completionTokens)} tokens</Fact>
        <Fact name="Calls">{count(row.calls)}</Fact>
      </dl>
      {row.writing !== '' && <pre class="writing">{row.writing}</pre>}
    </>
  );
}

function Call({ row }: { row: CallRow }) {
  return (
    <>
      <dl class="pairs">
        {Object.entries(row.args).map(([name, value]) => (
          <Fact key={name} name={name}>
            {[value]
              .flat()
              .map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
              .join('\n')}
          </Fact>
        ))}
        <Fact name="Took">{took(row)}</Fact>
        <Fact name="Brought">
          {count(row.passages)} passages, {count(row.hits)} pages named
        </Fact>
      </dl>
      {row.faults.map(({ label, message }) => (
        <p key={label} class="trouble">
          {label}: {message}
        </p>
      ))}
      <ol class="sources">
        {row.sources.map((uri) => (
          <li key={uri}>
            <SourceName uri={uri} />
          </li>
        ))}
      </ol>
    </>
  );
}
