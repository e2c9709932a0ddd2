import { useState } from 'preact/hooks';
import { ask, key } from '../api/client.ts';
import type { WaysIn } from '../libs.ts';
import { useAsked, wordsOf } from '../ui/asked.ts';
import { Heading, Trouble } from '../ui/parts.tsx';
import { enter, leaveToLogIn, whoIsHere } from './oidc.ts';

/** Asks who is there: by the identity provider where there is one, or with a key. It stays in this tab and ends with it. */
export function Login({ onEntered }: { onEntered: () => void }) {
  const [ways] = useAsked((signal) => ask<WaysIn>('/v1/login', { signal }), []);
  const oidc = ways.state === 'ready' ? ways.value.oidc : null;
  return (
    <section class="narrow">
      <Heading
        title={oidc === null ? 'This server asks for an API key' : 'Log in'}
        lead="What you were at is kept. The key stays in this tab and is forgotten with it."
      />
      {key.get() !== null && (
        <p class="trouble" role="alert">
          {whoIsHere() === null
            ? 'The key was not accepted: it is unknown, revoked, expired, or mistyped.'
            : 'Your login is over. Log in again to go on.'}
        </p>
      )}
      {oidc !== null && <Provider {...oidc} />}
      <KeyForm onEntered={onEntered} />
      <p class="quiet">
        Whoever runs the server makes one: <code>argosy keys create --name me</code>
      </p>
    </section>
  );
}

function Provider({ name, trouble }: NonNullable<WaysIn['oidc']>) {
  const [fault, setFault] = useState(trouble);
  const [busy, setBusy] = useState(false);
  const leave = (): void => {
    setBusy(true);
    leaveToLogIn().catch((error: unknown) => {
      setFault(wordsOf(error));
      setBusy(false);
    });
  };
  return (
    <div class="stack">
      {fault !== null && <Trouble message={fault} />}
      <button type="button" class="primary" disabled={busy} onClick={leave}>
        Log in with {name}
      </button>
      <p class="quiet">Or with an API key:</p>
    </div>
  );
}

function KeyForm({ onEntered }: { onEntered: () => void }) {
  const [text, setText] = useState('');
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (text.trim() === '') return;
    enter(text.trim());
    onEntered();
  };
  return (
    <form onSubmit={submit} class="stack">
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
  );
}
