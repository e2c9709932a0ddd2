/** Files below an address that the operator gave: with that of models, the one exception of the egress rule. */
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as securedRequest } from 'node:https';
import { InvalidInput, messageOf, Unavailable } from '#errors';
import { AllReceived } from './all-received.ts';
import type { Opened, Resume, Source } from './source.ts';

const mostRedirects = 5;

export class UrlSource implements Source {
  readonly name: string;
  readonly #base: URL;

  /** @param base of all files, such as `https://host/models/name/`; a query goes with each file */
  constructor(base: string) {
    const url = URL.parse(base);
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
      throw new InvalidInput([
        { path: '--from', message: 'must be a folder, or an http or https address without a password' },
      ]);
    }
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/`;
    this.#base = url;
    this.name = `${url.origin}${url.pathname}`;
  }

  async list(): Promise<null> {
    return null;
  }

  async size(file: string, signal: AbortSignal): Promise<number | null> {
    const response = await this.#ask('HEAD', file, {}, signal);
    response.destroy();
    // Some servers know no HEAD; the size is told with the file, then.
    if (response.statusCode === 405 || response.statusCode === 501) return null;
    this.#check(response, file);
    return lengthOf(response);
  }

  async open(file: string, { start, tag }: Resume, signal: AbortSignal): Promise<Opened> {
    // Without a tag nobody could tell whether the rest belongs to the same file.
    const resumes = start > 0 && tag !== null;
    const headers = resumes ? { range: `bytes=${start}-`, 'if-range': tag } : {};
    const response = await this.#ask('GET', file, headers, signal);
    if (resumes && response.statusCode === 416) {
      response.destroy();
      return await this.open(file, { start: 0, tag: null }, signal);
    }
    this.#check(response, file);
    const now = tagOf(response);
    if (response.statusCode !== 206)
      return { start: 0, size: lengthOf(response), tag: now, bytes: new AllReceived(response) };
    const [, from, whole] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '') ?? [];
    if (Number(from) !== start) {
      response.destroy();
      throw new Unavailable(`${this.name}${file} gives other bytes than those that were asked for`);
    }
    return {
      start,
      size: whole === undefined || whole === '*' ? null : Number(whole),
      tag: now ?? tag,
      bytes: new AllReceived(response),
    };
  }

  async #ask(method: string, file: string, headers: Headers, signal: AbortSignal): Promise<IncomingMessage> {
    let url = new URL(file, this.#base);
    url.search = this.#base.search;
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const response = await this.#send(url, { method, headers, signal });
      const { statusCode = 0, headers: told } = response;
      if (statusCode < 300 || statusCode >= 400 || told.location === undefined) return response;
      response.destroy();
      const next = URL.parse(told.location, url);
      const falls = url.protocol === 'https:' && next?.protocol !== 'https:';
      if (next === null || falls || !/^https?:$/.test(next.protocol)) {
        throw new InvalidInput([{ path: file, message: `${this.name} points to an address that is not followed` }]);
      }
      url = next;
    }
    throw new InvalidInput([{ path: file, message: `${this.name} points on more than ${mostRedirects} times` }]);
  }

  async #send(url: URL, { method, headers, signal }: Sent): Promise<IncomingMessage> {
    const send = url.protocol === 'https:' ? securedRequest : plainRequest;
    try {
      return await new Promise((resolve, reject) => {
        // Bytes as they are: a packed answer has other lengths and no ranges.
        const all = { ...headers, accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'argosy' };
        send(url, { method, headers: all, signal }, resolve).on('error', reject).end();
      });
    } catch (error) {
      throw new Unavailable(`${url.origin} does not answer (${messageOf(error)})`, { cause: error });
    }
  }

  /** @throws InvalidInput or Unavailable for what is no file */
  #check(response: IncomingMessage, file: string): void {
    const { statusCode = 0 } = response;
    if (statusCode === 200 || statusCode === 206) return;
    response.destroy();
    const words = `${this.name} answers ${statusCode} for it`;
    if (statusCode === 408 || statusCode === 429 || statusCode >= 500) throw new Unavailable(`${file}: ${words}`);
    const advice = statusCode === 404 ? 'check the address' : 'a server that wants a key cannot be read; use a mirror';
    throw new InvalidInput([{ path: file, message: `${words}: ${advice}` }]);
  }
}

type Headers = Readonly<Record<string, string>>;

interface Sent {
  readonly method: string;
  readonly headers: Headers;
  readonly signal: AbortSignal;
}

function lengthOf({ headers }: IncomingMessage): number | null {
  const length = headers['content-length'];
  return length !== undefined && /^\d{1,16}$/.test(length) ? Number(length) : null;
}

/** A weak one says nothing of the bytes (RFC 9110 §13.1.5). */
function tagOf({ headers: { etag } }: IncomingMessage): string | null {
  return etag === undefined || etag.startsWith('W/') ? null : etag;
}
