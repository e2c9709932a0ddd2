import { ArgosyError, type ErrorResource } from '../libs.ts';

/** What the gateway, or the way to it, says no to. */
export class Refused extends ArgosyError {
  override readonly name = 'Refused';
  readonly code: string;
  readonly retryable: boolean;
  /** 0 where no answer came at all. */
  readonly status: number;
  readonly details: readonly { readonly path: string; readonly message: string }[];

  constructor(status: number, { code, message, details }: Omit<ErrorResource['error'], 'request_id'>) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryable = status === 0 || status === 429 || status >= 500;
    this.details = details ?? [];
  }
}

/** Longest wait for an answer that is no stream. */
const limitMs = 30_000;

const keyName = 'argosy.key';

/**
 * The key of this tab, for as long as the tab is open. It goes into a header by hand, so that no other site can make a
 * browser send it, as it could with a cookie.
 */
export const key = {
  get: (): string | null => sessionStorage.getItem(keyName),
  set: (text: string): void => sessionStorage.setItem(keyName, text),
  clear: (): void => sessionStorage.removeItem(keyName),
};

const refusedListeners = new Set<() => void>();

/** Calls back when the server asks for a key, or for another one. @returns ends the subscription */
export function onKeyRefused(listener: () => void): () => void {
  refusedListeners.add(listener);
  return () => refusedListeners.delete(listener);
}

/** Sends one request with this tab's key. @throws Refused */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const held = key.get();
  if (held !== null) headers.set('authorization', `Bearer ${held}`);
  const response = await fetch(path, { ...init, headers, cache: 'no-store' }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new Refused(0, { code: 'unreachable', message: 'The server cannot be reached; it may be restarting.' });
  });
  if (response.ok) return response;
  const fault = new Refused(response.status, await errorIn(response));
  if (response.status === 401) for (const listener of refusedListeners) listener();
  throw fault;
}

async function errorIn(response: Response): Promise<ErrorResource['error']> {
  try {
    return ((await response.json()) as ErrorResource).error; // as every refusal of the gateway is
  } catch {
    const message = `The server answered ${response.status} and nothing that can be read.`;
    return { code: 'unreadable', message, request_id: '' };
  }
}

/** An answer as JSON, in the form that the route is documented to have. @throws Refused */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const limit = AbortSignal.timeout(limitMs);
  const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
  const response = await send(path, { ...init, signal });
  return (response.status === 204 ? null : await response.json()) as T; // by the API's document
}

/** @throws Refused */
export async function post<T>(path: string, body?: unknown, method = 'POST'): Promise<T> {
  if (body === undefined) return await ask<T>(path, { method });
  return await ask<T>(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** Fetches a file with this tab's key and hands it to the browser to keep. @throws Refused */
export async function download(path: string, name: string): Promise<void> {
  const response = await send(path);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), limitMs);
}
