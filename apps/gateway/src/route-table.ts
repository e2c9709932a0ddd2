import type { FastifyInstance } from 'fastify';

/** Every route of the server, as it was registered. */
export class RouteTable {
  /** Methods by the template of their path, such as `/v1/research/:id`. */
  readonly #methods = new Map<string, Set<string>>();

  /** Notes what is registered from now on. */
  static of(server: FastifyInstance): RouteTable {
    const table = new RouteTable();
    server.addHook('onRoute', ({ url, method }) => {
      const methods = table.#methods.get(url) ?? new Set();
      for (const one of [method].flat()) methods.add(one);
      table.#methods.set(url, methods);
    });
    return table;
  }

  /** `GET /v1/research/:id` and so on. HEAD is left out: Fastify adds it to each GET. */
  list(): string[] {
    return [...this.#methods].flatMap(([url, methods]) =>
      [...methods].filter((method) => method !== 'HEAD').map((method) => `${method} ${url}`),
    );
  }

  /** The methods that a path takes; none where there is no such path. */
  methodsAt(url: string): string[] {
    const path = url.split(/[?#]/, 1)[0] ?? '';
    const methods = [...this.#methods].filter(([template]) => fits(template, path)).flatMap(([, some]) => [...some]);
    return [...new Set(methods)].sort();
  }
}

function fits(template: string, path: string): boolean {
  const [wanted, given] = [template.split('/'), path.split('/')];
  if (wanted.length !== given.length) return false;
  return wanted.every((part, index) => (part.startsWith(':') ? given[index] !== '' : part === given[index]));
}
