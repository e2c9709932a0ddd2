import { ask } from '../api/client.ts';
import type { ModelList } from '../libs.ts';
import { useAsked } from '../ui/asked.ts';
import { Heading, Link, Loaded } from '../ui/parts.tsx';

/** What answers here, what it goes without, and how to change that. */
export function Welcome() {
  const [models] = useAsked((signal) => ask<ModelList>('/v1/models', { signal }), []);
  return (
    <section class="narrow prose">
      <Heading title="About this server" lead="Research whose every claim quotes its source, word for word." />
      <Loaded of={models}>{({ data }) => <Engine models={data} />}</Loaded>
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

function Engine({ models }: { models: ModelList['data'] }) {
  const model = models.find(({ argosy }) => argosy.default);
  if (model?.argosy.language_model === true) {
    return (
      <>
        <h2>Who writes</h2>
        <p>
          <strong>{model.id}</strong> reads, searches again and writes
          {models.length > 1 && `; ${models.length - 1} more can be chosen for each question`}.
        </p>
      </>
    );
  }
  return (
    <>
      <h2>No language model is connected</h2>
      <p>
        Reports are made without one: the passages that fit the question best, quoted whole, with nothing written
        between them. They say so (<code>no_llm</code>). To have answers written, stop the server and start it with any
        OpenAI-compatible one:
      </p>
      <pre class="lines">{threeLines}</pre>
    </>
  );
}

/** The three lines that change it. */
const threeLines = `export ARGOSY_MODEL=openai:http://127.0.0.1:8000/v1#MODEL
export ARGOSY_MODEL_API_KEY=...   # where that server asks for one
npm start`;
