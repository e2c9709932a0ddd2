import { key, post } from '../api/client.ts';
import type { BegunLogin, GivenLogin } from '../libs.ts';

const [pendingName, whoName] = ['argosy.login', 'argosy.who'];

/** A login that was begun in this tab, and where its person was. */
interface Pending {
  readonly ticket: BegunLogin['ticket'];
  readonly from: string;
}

/** Who is logged in in this tab; null for whoever entered a key. */
export function whoIsHere(): string | null {
  return key.get() === null ? null : sessionStorage.getItem(whoName);
}

/** Leaves for the identity provider. Only this tab can finish what it begins. @throws Refused */
export async function leaveToLogIn(): Promise<void> {
  const { address, ticket } = await post<BegunLogin>('/v1/login');
  const isBack = location.pathname.startsWith('/login/');
  const pending: Pending = { ticket, from: isBack ? '/' : location.pathname + location.search };
  sessionStorage.setItem(pendingName, JSON.stringify(pending));
  location.assign(address);
}

/**
 * Takes the key for what the browser came back with; a code is of use once.
 * @returns where the person was; null where this tab began no login
 * @throws Refused
 */
export async function finishLogin(query: string): Promise<string | null> {
  const text = sessionStorage.getItem(pendingName);
  sessionStorage.removeItem(pendingName);
  if (text === null) return null;
  const { ticket, from } = JSON.parse(text) as Pending; // as it was written above
  const given = await post<GivenLogin>('/v1/login/finish', { ticket, query });
  key.set(given.key);
  sessionStorage.setItem(whoName, given.name);
  return from;
}

/** Ends this tab's key, here and at the server. @throws Refused when the server could not be told */
export async function logOut(): Promise<void> {
  const isLogin = whoIsHere() !== null;
  try {
    if (isLogin) await post('/v1/login', undefined, 'DELETE');
  } finally {
    forget();
  }
}

/** A key that somebody enters is nobody's login. */
export function enter(text: string): void {
  forget();
  key.set(text);
}

function forget(): void {
  key.clear();
  sessionStorage.removeItem(whoName);
}
