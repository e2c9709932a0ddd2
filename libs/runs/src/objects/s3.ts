import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { objectRequests } from '../instruments.ts';
import { type Answer, Connections } from './connections.ts';
import { type ObjectStore, ObjectsAway } from './object-store.ts';
import { encodePath, type Signer, signedHeaders, type Unsigned } from './signing.ts';

/** An S3-compatible store, as the operator named it. */
export interface S3Settings extends Signer {
  /** Such as https://s3.eu-central-1.amazonaws.com */
  readonly endpoint: string;
  readonly bucket: string;
  /** In front of all names; empty, or ends with a slash. */
  readonly prefix: string;
  /** Whether the bucket is said in the path, or in front of the host. */
  readonly addressing: 'path' | 'host';
  /** In PEM, in place of those that are known to Node. */
  readonly ca?: string;
}

/** Times of a store, in milliseconds. */
export interface S3Times {
  /** Of one attempt. */
  readonly attemptMs: number;
  /** Of a call with all of its attempts. */
  readonly callMs: number;
  /** Before the second attempt, then twice as long each time; half of it is left to chance. */
  readonly retryMs: number;
}

const usualTimes: S3Times = { attemptMs: 20_000, callMs: 60_000, retryMs: 200 };

const mostAttempts = 4;

/** Bytes that are read of an answer that is no object. */
const faultBytes = 64 * 1024;

const nothing = new Uint8Array();

const named = { PUT: 'put', GET: 'get', DELETE: 'remove' } as const;

type Operation = Pick<Unsigned, 'method' | 'body'> & { readonly most: number; readonly signal: AbortSignal };

/** Objects in a bucket. What passes by itself is tried again; everything else names what the operator has to mend. */
export class S3Store implements ObjectStore {
  readonly #settings: S3Settings;
  readonly #times: S3Times;
  readonly #connections: Connections;
  /** Where the bucket's objects begin. */
  readonly #home: URL;

  constructor(settings: S3Settings, times: Partial<S3Times> = {}) {
    this.#settings = settings;
    this.#times = { ...usualTimes, ...times };
    this.#home = homeOf(settings);
    this.#connections = new Connections(this.#home, settings.ca);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const answer = await this.#call(name, { method: 'PUT', body: bytes, most: faultBytes, signal: this.#patience() });
    if (answer.status !== 200) throw this.#refusal('keep an object', answer);
    objectRequests.add(1, { operation: 'put', outcome: 'done' });
  }

  async get(name: string, most: number): Promise<Uint8Array | null> {
    const operation = {
      method: 'GET',
      body: nothing,
      most: Math.max(most, faultBytes),
      signal: this.#patience(),
    } as const;
    const answer = await this.#call(name, operation);
    const missing = isMissing(answer);
    if (!missing && answer.status !== 200) throw this.#refusal('give an object', answer);
    objectRequests.add(1, { operation: 'get', outcome: missing ? 'missing' : 'done' });
    return missing ? null : answer.body;
  }

  async remove(name: string, signal?: AbortSignal): Promise<void> {
    const within = signal === undefined ? this.#patience() : AbortSignal.any([signal, this.#patience()]);
    const answer = await this.#call(name, { method: 'DELETE', body: nothing, most: faultBytes, signal: within });
    const missing = isMissing(answer);
    if (!missing && answer.status !== 204 && answer.status !== 200) throw this.#refusal('remove an object', answer);
    objectRequests.add(1, { operation: 'remove', outcome: missing ? 'missing' : 'done' });
  }

  /** Writes, reads and removes a small object. @throws ObjectsAway, with what to mend */
  async check(): Promise<void> {
    const name = `probe/${randomUUID()}`;
    const written = Buffer.from(name);
    await this.put(name, written);
    const read = await this.get(name, written.byteLength);
    await this.remove(name);
    if (read === null || !written.equals(read)) {
      const what = read === null ? 'does not give' : 'gives other bytes than';
      throw new ObjectsAway(`${this.#place} ${what} what was just written there: it is no store to rely on.`);
    }
  }

  close(): void {
    this.#connections.close();
  }

  get #place(): string {
    return `The object store at ${this.#home.host}`;
  }

  #patience(): AbortSignal {
    return AbortSignal.timeout(this.#times.callMs);
  }

  async #call(name: string, operation: Operation): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#attempt(name, operation);
      if (typeof answer !== 'string' && !passes(answer)) return answer;
      const last = attempt === mostAttempts || operation.signal.aborted;
      objectRequests.add(1, { operation: named[operation.method], outcome: last ? 'failed' : 'repeated' });
      if (last) throw this.#absence(answer, attempt);
      const wait = this.#times.retryMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
      await pause(wait, undefined, { signal: operation.signal }).catch(() => undefined);
    }
  }

  /** @returns why there was no answer, where there was none */
  async #attempt(name: string, { method, body, most, signal }: Operation): Promise<Answer | string> {
    const url = new URL(encodePath(`${this.#settings.prefix}${name}`), this.#home);
    const headers = signedHeaders({ method, url, headers: {}, body }, this.#settings, new Date());
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(this.#times.attemptMs)]);
    return await this.#connections.send({ method, url, headers, body, most, signal: attempt });
  }

  #absence(answer: Answer | string, attempts: number): ObjectsAway {
    const why = typeof answer === 'string' ? answer : told(answer);
    const tries = attempts === 1 ? 'once' : `${attempts} times`;
    return new ObjectsAway(
      `${this.#place} cannot be used: ${why} (tried ${tries}). It is tried again with the next call.`,
    );
  }

  /** What a server says beside its code may hold keys of ours, and is not repeated. */
  #refusal(what: string, answer: Answer): ObjectsAway {
    const code = codeOf(answer);
    return new ObjectsAway(`${this.#place} does not ${what}: ${told(answer)}. ${this.#advice(answer.status, code)}`);
  }

  #advice(status: number, code: string): string {
    const { bucket } = this.#settings;
    if (code === 'NoSuchBucket') return `Make the bucket ${bucket}, or correct ARGOSY_S3_BUCKET.`;
    if (code === 'RequestTimeTooSkewed') return "Set this machine's clock by NTP.";
    if (/AccessKey|Signature|UserNotFound/.test(code))
      return 'Correct ARGOSY_S3_ACCESS_KEY_ID and ARGOSY_S3_SECRET_ACCESS_KEY, and ARGOSY_S3_REGION.';
    if (code === 'AccessDenied' || status === 403)
      return `Let the key of ARGOSY_S3_ACCESS_KEY_ID put, get, list and delete objects in the bucket ${bucket}.`;
    if (status >= 300 && status < 400 && status !== 304)
      return `The bucket ${bucket} is elsewhere: correct ARGOSY_S3_ENDPOINT and ARGOSY_S3_REGION.`;
    return 'Correct ARGOSY_S3_ENDPOINT, ARGOSY_S3_REGION, ARGOSY_S3_BUCKET and ARGOSY_S3_ADDRESSING.';
  }
}

/** Where the objects of a bucket begin; ends with a slash. */
export function homeOf({ endpoint, bucket, addressing }: S3Settings): URL {
  const home = new URL(endpoint);
  if (addressing === 'host') home.hostname = `${bucket}.${home.hostname}`;
  home.pathname = `${home.pathname.replace(/\/$/, '')}/${addressing === 'host' ? '' : `${bucket}/`}`;
  return home;
}

/** Whether the same request may have another answer soon. */
function passes({ status }: Answer): boolean {
  return status >= 500 || status === 429 || status === 408;
}

/** Only where the server says so itself: others answer so for a key or a bucket that they do not know. */
function isMissing(answer: Answer): boolean {
  return answer.status === 404 && codeOf(answer) === 'NoSuchKey';
}

/** The name that S3 gives a fault; empty where it gives none. */
function codeOf({ body }: Answer): string {
  return /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(Buffer.from(body).toString('utf8'))?.[1] ?? '';
}

function told(answer: Answer): string {
  const code = codeOf(answer);
  return code === '' ? `status ${answer.status}` : `${code} (status ${answer.status})`;
}
