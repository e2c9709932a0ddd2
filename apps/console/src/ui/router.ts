import { useEffect, useState } from 'preact/hooks';

/** What the address asks for. The gateway answers each of these with the page. */
export type View =
  | { readonly name: 'ask' }
  | { readonly name: 'runs' }
  | { readonly name: 'run'; readonly runId: string }
  | { readonly name: 'fleet' }
  | { readonly name: 'settings' }
  | { readonly name: 'welcome' }
  /** Where an identity provider sends the browser back to. */
  | { readonly name: 'callback' };

export function viewOf(path: string): View {
  const [, first = '', second = ''] = path.split('/');
  if (first === 'runs' && second !== '') return { name: 'run', runId: decodeURIComponent(second) };
  if (first === 'login' && second === 'callback') return { name: 'callback' };
  if (first === 'runs' || first === 'fleet' || first === 'settings' || first === 'welcome') return { name: first };
  return { name: 'ask' };
}

const moved = new EventTarget();

/** Goes to another view without leaving the page. */
export function go(path: string): void {
  history.pushState(null, '', path);
  scrollTo(0, 0);
  moved.dispatchEvent(new Event('moved'));
}

/** Goes to another view in the place of this one. */
export function replace(path: string): void {
  history.replaceState(null, '', path);
  moved.dispatchEvent(new Event('moved'));
}

export function useView(): View {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const look = (): void => setPath(location.pathname);
    addEventListener('popstate', look);
    moved.addEventListener('moved', look);
    return () => {
      removeEventListener('popstate', look);
      moved.removeEventListener('moved', look);
    };
  }, []);
  return viewOf(path);
}

/** Follows a link within the page; clicks that ask for another tab or window stay the browser's. */
export function followLink(event: MouseEvent): void {
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  const link = event.currentTarget;
  if (!plain || !(link instanceof HTMLAnchorElement) || link.origin !== location.origin) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
