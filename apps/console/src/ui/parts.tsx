import type { ComponentChildren } from 'preact';
import type { Asked } from './asked.ts';
import { exactly } from './format.ts';
import { followLink } from './router.ts';

/** A link within the page. */
export function Link({ to, children, ...rest }: { to: string; children: ComponentChildren; class?: string }) {
  return (
    <a href={to} onClick={followLink} {...rest}>
      {children}
    </a>
  );
}

/** The heading of a view, with what can be done beside it. */
export function Heading({ title, lead, children }: { title: string; lead?: string; children?: ComponentChildren }) {
  return (
    <header class="heading">
      <div>
        <h1>{title}</h1>
        {lead !== undefined && <p class="lead">{lead}</p>}
      </div>
      {children}
    </header>
  );
}

/** A table of figures, which scrolls by itself where it is wider than the view. @param children its rows */
export function Figures({ columns, children }: { columns: readonly string[]; children: ComponentChildren }) {
  return (
    <div class="wide">
      <table class="figures">
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** What is asked for, or why it is not there. */
export function Loaded<T>({ of, children }: { of: Asked<T>; children: (value: T) => ComponentChildren }) {
  switch (of.state) {
    case 'loading':
      return (
        <p class="quiet" role="status">
          Loading …
        </p>
      );
    case 'failed':
      return <Trouble message={of.message} />;
    case 'ready':
      return <>{children(of.value)}</>;
  }
}

export function Trouble({ message }: { message: string }) {
  return (
    <p class="trouble" role="alert">
      {message}
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}

/** An instant in the reader's time zone; the exact one, with its zone, on hover. */
export function At({ at, as }: { at: string; as: (at: string) => string }) {
  return (
    <time dateTime={at} title={exactly(at)}>
      {as(at)}
    </time>
  );
}

const words: Readonly<Record<string, string>> = {
  queued: 'Queued',
  running: 'Running',
  waiting: 'Waiting',
  completed: 'Complete',
  incomplete: 'Incomplete',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

export function Status({ status }: { status: string }) {
  return <span class={`status ${status}`}>{words[status] ?? status}</span>;
}

/** One figure with what it counts. */
export function Figure({ label, value, of, share }: { label: string; value: string; of?: string; share?: number }) {
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd>
        <span class="value">{value}</span>
        {of !== undefined && <span class="of"> / {of}</span>}
        {share !== undefined && (
          <meter class="meter" min={0} max={1} value={share} aria-label={`${label}: share used`} />
        )}
      </dd>
    </div>
  );
}

/** An address of the web as a link out; anything else, such as a document, as its name. */
export function SourceName({ uri, title }: { uri: string; title?: string }) {
  const shown = title ?? uri.replace(/^(https?:\/\/|corpus:)/, '');
  if (!/^https?:\/\//.test(uri)) return <span class="uri">{shown}</span>;
  return (
    <a class="uri" href={uri} target="_blank" rel="noopener noreferrer">
      {shown}
    </a>
  );
}
