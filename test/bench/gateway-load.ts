import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** Whose runs these are. */
export const tenantId = 'local';

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

const body = JSON.stringify({
  question: 'Why do leases end, and what becomes of the work that is under way when one does?',
  sources: { corpora: ['c_0123456789abcdef'] },
  budget: { steps: 20, seconds: 600 },
  metadata: { ticket: '7' },
});
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };

/** Starts one run. @returns its id */
async function post(url: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/research`, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode !== 202) reject(new Error(`${response.statusCode}: ${text}`));
        else resolve((JSON.parse(text) as { id: string }).id);
      });
    });
    sent.on('error', reject).end(body);
  });
}

/** Requests one after the other on some connections. @returns requests per second, and the runs that were made */
export async function saturate(url: string, forMs: number, connections = 32): Promise<{ rate: number; ids: string[] }> {
  const until = performance.now() + forMs;
  const ids: string[] = [];
  const one = async (): Promise<void> => {
    while (performance.now() < until) ids.push(await post(url));
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: connections }, one));
  return { rate: (ids.length * 1000) / (performance.now() - startedAt), ids };
}

/** Requests at a rate, whether those before were answered or not. @returns how long each took from when it was due, in ms */
export async function atRate(url: string, perSecond: number, forMs: number): Promise<number[]> {
  const startedAt = performance.now();
  const pending: Promise<number>[] = [];
  for (;;) {
    const due = (pending.length * 1000) / perSecond;
    if (due >= forMs) return await Promise.all(pending);
    const waitMs = due - (performance.now() - startedAt);
    if (waitMs > 1) await pause(waitMs);
    pending.push(post(url).then(() => performance.now() - startedAt - due));
  }
}

/** A client of an event stream that counts what it is told. */
export class Follower {
  readonly #request: ClientRequest;
  /** What the client is told, piece by piece, with the time of its arrival since the epoch in ms. */
  onText: (text: string, at: number) => void = () => undefined;

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#request = sent;
    response.setEncoding('utf8').on('data', (text: string) => {
      this.onText(text, performance.timeOrigin + performance.now());
    });
    response.on('error', () => undefined);
  }

  static async open(url: string): Promise<Follower> {
    return await new Promise((resolve, reject) => {
      const sent = request(url, { agent: false }, (response) => {
        if (response.statusCode === 200) resolve(new Follower(sent, response));
        else reject(new Error(`${url} answered ${response.statusCode}`));
      });
      sent.on('error', reject).end();
    });
  }

  /** Opens many, fifty at a time. */
  static async openAll(urls: readonly string[]): Promise<Follower[]> {
    const all: Follower[] = [];
    for (let at = 0; at < urls.length; at += 50) {
      all.push(...(await Promise.all(urls.slice(at, at + 50).map(Follower.open))));
    }
    return all;
  }

  close(): void {
    this.#request.destroy();
  }
}
