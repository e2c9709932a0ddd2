import { type AllowedTarget, EgressProxy, type ProxyOptions } from '#egress';

/**
 * The proxies that pages in the browser reach the network by. A page of the web gets one that knows none of the operator's
 * private targets: its scripts could otherwise read them.
 */
export class Doors {
  readonly #rules: ProxyOptions;
  readonly #proxies = new Map<'public' | 'allowed', Promise<EgressProxy>>();

  /** @param rules as of the process's egress; proxies listen on loopback from their first page on */
  constructor(rules: ProxyOptions) {
    this.#rules = rules;
  }

  /** The proxy for the page at `url`, such as `http://127.0.0.1:40123`. */
  async for(url: URL): Promise<string> {
    const kind = isAllowed(url, this.#rules.allow ?? []) ? 'allowed' : 'public';
    const rules = kind === 'public' ? { ...this.#rules, allow: [] } : this.#rules;
    const starting = this.#proxies.get(kind) ?? EgressProxy.start(rules);
    this.#proxies.set(kind, starting);
    return (await starting).url;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map(async (starting) => await (await starting).close(0)));
  }
}

/** Whether a page is one of the operator's private targets. */
export function isAllowed(url: URL, allow: readonly AllowedTarget[]): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  return allow.some((target) => target.host === host && target.port === port);
}
