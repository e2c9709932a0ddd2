import { useState } from 'preact/hooks';
import { ask, post } from '../api/client.ts';
import type { CreatedKeyResource, KeyList } from '../libs.ts';
import { useAsked, wordsOf } from '../ui/asked.ts';
import { dayOf } from '../ui/format.ts';
import { At, Loaded, Trouble } from '../ui/parts.tsx';

/** Keys of this API. A new one is shown once. */
export function Keys() {
  const [keys, again] = useAsked((signal) => ask<KeyList>('/v1/keys?limit=100', { signal }), []);
  const [made, setMade] = useState<CreatedKeyResource | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const act = async (deed: Promise<unknown>): Promise<void> => {
    setFault(null);
    await deed.catch((error: unknown) => setFault(wordsOf(error)));
    again();
  };
  const create = (name: string): void => void act(post<CreatedKeyResource>('/v1/keys', { name }).then(setMade));
  return (
    <section>
      <h2>API keys</h2>
      {/* Where a server asks for no keys, it says so, and nothing is wrong. */}
      {keys.state === 'failed' && <p class="quiet">{keys.message}</p>}
      {keys.state !== 'failed' && (
        <Loaded of={keys}>
          {({ data }) => (
            <>
              <List keys={data} onRevoke={(id) => void act(post(`/v1/keys/${id}`, undefined, 'DELETE'))} />
              <NewKey onCreate={create} />
            </>
          )}
        </Loaded>
      )}
      {made !== null && (
        <p class="notice" role="status">
          The key of {made.name}, shown this once: <code class="secret">{made.key}</code>
        </p>
      )}
      {fault !== null && <Trouble message={fault} />}
    </section>
  );
}

function List({ keys, onRevoke }: { keys: KeyList['data']; onRevoke: (id: string) => void }) {
  if (keys.length === 0) return <p class="quiet">None yet.</p>;
  return (
    <ul class="table">
      {keys.map((one) => (
        <Key key={one.id} known={one} onRevoke={() => onRevoke(one.id)} />
      ))}
    </ul>
  );
}

function Key({ known, onRevoke }: { known: KeyList['data'][number]; onRevoke: () => void }) {
  const { name, scopes, created_at, revoked_at } = known;
  return (
    <li>
      <span class="name">{name}</span>
      <span class="quiet">{scopes.join(', ')}</span>
      <span class="quiet">
        made <At at={created_at} as={dayOf} />
      </span>
      {revoked_at === null ? (
        <button type="button" class="plain" onClick={onRevoke}>
          Revoke
        </button>
      ) : (
        <span class="quiet">revoked</span>
      )}
    </li>
  );
}

function NewKey({ onCreate }: { onCreate: (name: string) => void }) {
  const [name, setName] = useState('');
  const create = (event: SubmitEvent): void => {
    event.preventDefault();
    onCreate(name.trim());
    setName('');
  };
  return (
    <form class="inline" onSubmit={create}>
      <label class="field">
        <span>What it is for</span>
        <input value={name} maxLength={100} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={name.trim() === ''}>
        Make a key
      </button>
    </form>
  );
}
