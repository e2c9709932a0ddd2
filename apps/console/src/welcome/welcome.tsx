import { ask } from '../api/client.ts';
import type { AboutResource } from '../libs.ts';
import { useAsked } from '../ui/asked.ts';
import { Heading, Link, Loaded } from '../ui/parts.tsx';
import { type Gap, gapsOf, unknownInFleet } from './gaps.ts';

/** What answers here, what it goes without, and how to change that. */
export function Welcome() {
  const [about] = useAsked((signal) => ask<AboutResource>('/v1/about', { signal }), []);
  return (
    <section class="narrow prose">
      <Heading title="About this server" lead="Research whose every claim quotes its source, word for word." />
      <Loaded of={about}>{(told) => <Server about={told} />}</Loaded>
      <h2>How to trust what comes out</h2>
      <p>
        Each number in a report is a passage in a text that was stored when it was read. Point at it, and the passage is
        looked up in that text, here in your browser. <code>argosy verify</code> does the same with a sealed bundle,
        offline, for anyone you hand it to.
      </p>
      <p>
        <Link to="/" class="button primary">
          Ask a question
        </Link>
      </p>
    </section>
  );
}

function Server({ about }: { about: AboutResource }) {
  const gaps = gapsOf(about);
  const inFleet = about.tools === null;
  return (
    <>
      <h2>What works here</h2>
      <Working about={about} />
      {gaps.length > 0 && (
        <>
          <h2>What it goes without</h2>
          <p>
            Each part with the lines that change it;{' '}
            {inFleet
              ? 'they are settings of the processes that they name.'
              : 'stop the server, and start it again with them.'}
          </p>
        </>
      )}
      {gaps.map((gap) => (
        <Shown key={gap.title} gap={gap} />
      ))}
      {inFleet && <Shown gap={unknownInFleet} />}
    </>
  );
}

function Working({ about: { model, other_models: others, search, tools } }: { about: AboutResource }) {
  return (
    <ul>
      <li>
        <strong>{model.id}</strong>{' '}
        {model.language_model
          ? 'reads, searches again and writes'
          : 'picks passages, word for word, and writes nothing'}
        {others > 0 && `; ${others} more can be chosen for each question`}.
      </li>
      {search.providers.length > 0 && (
        <li>
          The web is searched by <strong>{search.providers.join(', ')}</strong>
          {search.narrowed && ', which were chosen for this tenant'}. Whether they can be reached from here,{' '}
          <code>argosy doctor</code> says.
        </li>
      )}
      {tools?.browser === true && <li>Pages that only their scripts fill are read by a browser.</li>}
    </ul>
  );
}

function Shown({ gap: { title, means, lines } }: { gap: Gap }) {
  return (
    <>
      <h3>{title}</h3>
      <p>{means}</p>
      <pre class="lines">{lines}</pre>
    </>
  );
}
