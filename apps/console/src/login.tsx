import { useState } from 'preact/hooks';
import { key } from './api/client.ts';
import { Heading } from './ui/parts.tsx';

/** Asks for the key that the server wants. It stays in this tab and ends with it. */
export function Login({ onKey }: { onKey: (text: string) => void }) {
  const [text, setText] = useState('');
  const refused = key.get() !== null;
  const enter = (event: SubmitEvent): void => {
    event.preventDefault();
    if (text.trim() !== '') onKey(text.trim());
  };
  return (
    <section class="narrow">
      <Heading title="This server asks for an API key" lead="The key stays in this tab and is forgotten with it." />
      {refused && (
        <p class="trouble" role="alert">
          The key was not accepted: it is unknown, revoked, expired, or mistyped.
        </p>
      )}
      <form onSubmit={enter} class="stack">
        <label class="field">
          <span>API key</span>
          <input
            type="password"
            autoComplete="off"
            spellcheck={false}
            placeholder="arg_…"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary">
          Enter
        </button>
      </form>
      <p class="quiet">
        Whoever runs the server makes one: <code>argosy keys create --name me</code>
      </p>
    </section>
  );
}
