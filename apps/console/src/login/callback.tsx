import { useEffect, useState } from 'preact/hooks';
import { wordsOf } from '../ui/asked.ts';
import { Heading, Trouble } from '../ui/parts.tsx';
import { replace } from '../ui/router.ts';
import { Login } from './login.tsx';
import { finishLogin } from './oidc.ts';

const notBegun = 'This tab began no login: begin here.';

/** Where the identity provider sends the browser back to. */
export function Callback() {
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    const query = location.search.slice(1);
    // What was in the address is of use once, and is nobody's business afterwards.
    history.replaceState(null, '', location.pathname);
    finishLogin(query).then(
      (from) => (from === null ? setFault(notBegun) : replace(from)),
      (error: unknown) => setFault(wordsOf(error)),
    );
  }, []);
  if (fault === null) return <Heading title="Logging in …" />;
  return (
    <>
      <Trouble message={fault} />
      <Login onEntered={() => replace('/')} />
    </>
  );
}
