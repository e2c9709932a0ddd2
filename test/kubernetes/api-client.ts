/** Speaks with an API server as a test or a kubelet does, whichever server it is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as overHttp } from 'node:http';
import { Agent, request as overHttps } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where a server is, and who may do everything there. */
export interface ApiAddress {
  readonly url: string;
  readonly token: string;
  readonly certificate?: string;
}

const answerMs = 30_000;

export class ApiClient {
  readonly #address: ApiAddress;
  /** A handshake for each question would take most of the time. */
  readonly #agent: Agent | undefined;

  constructor(address: ApiAddress) {
    this.#address = address;
    const { certificate: ca } = address;
    if (ca !== undefined) this.#agent = new Agent({ ca, keepAlive: true, checkServerIdentity: () => undefined });
  }

  /** @throws Error unless the status is one of those that are wanted, or 2xx */
  async ask<T>(method: string, path: string, sent?: object, wanted: readonly number[] = []): Promise<T> {
    const { url, token } = this.#address;
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = { authorization: `Bearer ${token}`, 'content-type': type };
    const request = url.startsWith('https:') ? overHttps : overHttp;
    const [status, text] = await new Promise<[number, string]>((resolve, reject) => {
      const options = { method, headers, signal: AbortSignal.timeout(answerMs), agent: this.#agent };
      const asking = request(`${url}${path}`, options, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('error', reject).on('end', () => resolve([response.statusCode ?? 0, body]));
      });
      asking.on('error', reject).end(sent === undefined ? undefined : JSON.stringify(sent));
    });
    if (status >= 300 && !wanted.includes(status))
      throw new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`);
    return JSON.parse(text) as T; // of the kind that the path names
  }
}

/** A kubeconfig for it in a folder of its own. @returns its path, and what removes it */
export function kubeconfigOf({ url, token }: ApiAddress): { file: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'argosy-kubeconfig-'));
  const file = join(folder, 'config.json');
  // The real server's certificate names nobody whom a test uses; the client takes plain HTTP only so, too.
  const cluster = { server: url, 'insecure-skip-tls-verify': true };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return { file, remove: () => rmSync(folder, { recursive: true }) };
}
