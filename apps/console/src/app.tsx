import { useEffect, useState } from 'preact/hooks';
import { onKeyRefused } from './api/client.ts';
import { AskView } from './ask/ask-view.tsx';
import { Fleet } from './fleet/fleet.tsx';
import { Callback } from './login/callback.tsx';
import { LogOut } from './login/log-out.tsx';
import { Login } from './login/login.tsx';
import { RunView } from './run/run-view.tsx';
import { Runs } from './runs/runs.tsx';
import { Settings } from './settings/settings.tsx';
import { Link } from './ui/parts.tsx';
import { useView, type View } from './ui/router.ts';
import { Welcome } from './welcome/welcome.tsx';

const places = [
  { to: '/', name: 'ask', label: 'Ask' },
  { to: '/runs', name: 'runs', label: 'Runs' },
  { to: '/fleet', name: 'fleet', label: 'Fleet' },
  { to: '/settings', name: 'settings', label: 'Settings' },
] as const;

export function App() {
  const view = useView();
  const [locked, setLocked] = useState(false);
  useEffect(() => onKeyRefused(() => setLocked(true)), []);
  // Coming back from the identity provider is no view that needs a key.
  const asksFirst = locked && view.name !== 'callback';
  useEffect(() => setLocked(false), [view.name === 'callback']);
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Navigation at={view.name === 'run' ? 'runs' : view.name} onLeft={() => setLocked(true)} />
      <main id="main" tabIndex={-1}>
        {asksFirst ? <Login onEntered={() => setLocked(false)} /> : <Shown view={view} />}
      </main>
    </div>
  );
}

function Navigation({ at, onLeft }: { at: View['name']; onLeft: () => void }) {
  return (
    <nav class="rail" aria-label="Views">
      <Link to="/" class="brand">
        <Mark />
        <span>Argosy</span>
      </Link>
      <ul>
        {places.map(({ to, name, label }) => (
          <li key={name}>
            <Link to={to} {...(name === at ? { class: 'here' } : {})}>
              {label}
            </Link>
          </li>
        ))}
      </ul>
      <Link to="/welcome" class="about">
        About this server
      </Link>
      <LogOut onLeft={onLeft} />
    </nav>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M16 3v17M16 4c5 3 8 8 8 14H16M15 8c-3 2-5 6-6 10h6" />
      <path class="hull" d="M4 22h24c-2 4-5 6-9 6h-6c-4 0-7-2-9-6z" />
    </svg>
  );
}

function Shown({ view }: { view: View }) {
  switch (view.name) {
    case 'ask':
      return <AskView />;
    case 'runs':
      return <Runs />;
    case 'run':
      return <RunView key={view.runId} runId={view.runId} />;
    case 'fleet':
      return <Fleet />;
    case 'settings':
      return <Settings />;
    case 'callback':
      return <Callback />;
    case 'welcome':
      return <Welcome />;
  }
}
