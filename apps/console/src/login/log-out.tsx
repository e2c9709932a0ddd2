import { useState } from 'preact/hooks';
import { key } from '../api/client.ts';
import { wordsOf } from '../ui/asked.ts';
import { Trouble } from '../ui/parts.tsx';
import { logOut, whoIsHere } from './oidc.ts';

/** Who is here, and the way out; nothing where the server asks for no key. */
export function LogOut({ onLeft }: { onLeft: () => void }) {
  const [fault, setFault] = useState<string | null>(null);
  if (key.get() === null) return null;
  const who = whoIsHere();
  const leave = (): void => {
    logOut().then(onLeft, (error: unknown) => {
      setFault(`The key is forgotten here, and good until its hours are over: ${wordsOf(error)}`);
      onLeft();
    });
  };
  return (
    <div class="who">
      {fault !== null && <Trouble message={fault} />}
      {who !== null && <span class="quiet">{who}</span>}
      <button type="button" class="plain" onClick={leave}>
        {who === null ? 'Forget the key' : 'Log out'}
      </button>
    </div>
  );
}
