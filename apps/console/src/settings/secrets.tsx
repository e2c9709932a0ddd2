import { useState } from 'preact/hooks';
import { ask, post } from '../api/client.ts';
import type { SecretList } from '../libs.ts';
import { useAsked, wordsOf } from '../ui/asked.ts';
import { dayOf } from '../ui/format.ts';
import { At, Loaded, Trouble } from '../ui/parts.tsx';

/** Keys of search providers. They go in and never come out again. */
export function Secrets() {
  const [secrets, again] = useAsked((signal) => ask<SecretList>('/v1/secrets', { signal }), []);
  const [fault, setFault] = useState<string | null>(null);
  const act = async (deed: Promise<unknown>): Promise<void> => {
    setFault(null);
    await deed.catch((error: unknown) => setFault(wordsOf(error)));
    again();
  };
  return (
    <section>
      <h2>Search providers</h2>
      <p class="quiet">Your own keys, used for your runs alone. They can be replaced and deleted, and never read.</p>
      <Loaded of={secrets}>
        {({ data }) => (
          <>
            {data.length === 0 && <p class="quiet">None yet: the server's own are used where it has any.</p>}
            <ul class="table">
              {data.map((secret) => (
                <Secret
                  key={secret.name}
                  secret={secret}
                  onDelete={() => void act(post(`/v1/secrets/${secret.name}`, undefined, 'DELETE'))}
                />
              ))}
            </ul>
          </>
        )}
      </Loaded>
      <NewSecret onSet={(name, value) => void act(post(`/v1/secrets/${encodeURIComponent(name)}`, { value }, 'PUT'))} />
      {fault !== null && <Trouble message={fault} />}
    </section>
  );
}

interface SecretProps {
  readonly secret: SecretList['data'][number];
  readonly onDelete: () => void;
}

function Secret({ secret: { name, fingerprint, updated_at, last_used_at }, onDelete }: SecretProps) {
  return (
    <li>
      <span class="name">{name}</span>
      <code>{fingerprint}</code>
      <span class="quiet">
        set <At at={updated_at} as={dayOf} />
        {last_used_at === null ? ', never used' : ', used '}
        {last_used_at !== null && <At at={last_used_at} as={dayOf} />}
      </span>
      <button type="button" class="plain" onClick={onDelete}>
        Delete
      </button>
    </li>
  );
}

function NewSecret({ onSet }: { onSet: (name: string, value: string) => void }) {
  const [provider, setProvider] = useState('brave');
  const [value, setValue] = useState('');
  const set = (event: SubmitEvent): void => {
    event.preventDefault();
    onSet(`search.${provider.trim()}`, value);
    setValue('');
  };
  return (
    <form class="inline" onSubmit={set}>
      <label class="field">
        <span>Provider</span>
        <input value={provider} onInput={(event) => setProvider(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>Its key</span>
        <input
          type="password"
          autoComplete="off"
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
      </label>
      <button type="submit" disabled={value === ''}>
        Keep
      </button>
    </form>
  );
}
