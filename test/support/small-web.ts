/**
 * A web in small on loopback: a site with a static page, one that only a script fills and a PDF, a wiki, and two search
 * providers that know them, in the shapes of SearXNG (docs.searxng.org/dev/search_api) and MediaWiki (API:Search).
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pdfOf } from './ferry-corpus.ts';

/** What each page alone says. */
export const webFacts = {
  static: 'The lighthouse of Skerrow was first lit on the fourth of March 1871.',
  scripted: 'Two hundred and eleven steps lead from the door of the lighthouse of Skerrow up to its lamp.',
  pdf: 'The first keeper of the lighthouse of Skerrow was Ada Marsh, who had come from the herring fleet.',
  wiki: 'The lamp of the lighthouse of Skerrow burns rapeseed oil and is seen from eighteen miles away.',
} as const;

export interface SmallWeb {
  /** The pages by what they are. */
  readonly urls: Readonly<Record<keyof typeof webFacts, string>>;
  readonly searxng: string;
  /** Address of the wiki's `api.php`. */
  readonly mediawiki: string;
  /** `host:port` of every server. */
  readonly hosts: readonly string[];
  /** What was asked for so far, by everybody: `host:port/path?query`. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** One server and what it answers. */
type Answer = (url: URL) => { readonly type: string; readonly body: string | Buffer } | null;

interface Named {
  readonly title: string;
  readonly url: string;
  /** What a search says of it, in no word of the page. */
  readonly snippet: string;
}

export async function startSmallWeb(): Promise<SmallWeb> {
  const requests: string[] = [];
  const servers: Server[] = [];
  const start = async (answer: Answer): Promise<string> => {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', `http://${hostOf(request)}`);
      requests.push(`${url.host}${url.pathname}${url.search}`);
      const found = answer(url);
      response.writeHead(found === null ? 404 : 200, { 'content-type': found?.type ?? 'text/plain' });
      response.end(found?.body ?? 'There is no such page.');
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A TCP server's address is never a pipe name.
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const site = await start(sitePage);
  const wiki = await start(wikiPage);
  const urls = {
    static: `${site}/history.html`,
    scripted: `${site}/stairs`,
    pdf: `${site}/keepers.pdf`,
    wiki: `${wiki}/wiki/Skerrow_light`,
  };
  const searxng = await start((url) => searxngAnswer(url, pagesOf(urls)));
  return {
    urls,
    searxng,
    mediawiki: `${wiki}/w/api.php`,
    hosts: [site, wiki, searxng].map((origin) => new URL(origin).host),
    requests,
    close: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function hostOf({ headers }: IncomingMessage): string {
  return headers.host ?? 'localhost';
}

function pagesOf(urls: SmallWeb['urls']): Named[] {
  return [
    {
      title: 'History of the lighthouse of Skerrow',
      url: urls.static,
      snippet: 'When was it lit? All about the lighthouse.',
    },
    { title: 'Stairs of the lighthouse of Skerrow', url: urls.scripted, snippet: 'How many steps? Count them.' },
    { title: 'Keepers of the lighthouse of Skerrow', url: urls.pdf, snippet: 'Who was its first keeper? A list.' },
  ];
}

function sitePage({ pathname }: URL): ReturnType<Answer> {
  switch (pathname) {
    case '/history.html':
      return html('History', `<h1>History</h1><p>${webFacts.static} The storm of 1911 broke two of its panes.</p>`);
    case '/stairs':
      // Without its script, this page says nothing.
      return html('Stairs', `<div id="app"></div><script>${fillIn(webFacts.scripted)}</script>`);
    case '/keepers.pdf':
      return { type: 'application/pdf', body: Buffer.from(pdfOf(webFacts.pdf)) };
    default:
      return null;
  }
}

function fillIn(text: string): string {
  const parts = JSON.stringify(text.split(' '));
  return `document.getElementById('app').innerHTML = '<article><h1>Stairs</h1><p>' + ${parts}.join(' ') + '</p></article>';`;
}

function wikiPage(url: URL): ReturnType<Answer> {
  if (url.pathname === '/wiki/Skerrow_light')
    return html('Skerrow light', `<h1>Skerrow light</h1><p>${webFacts.wiki}</p>`);
  if (url.pathname !== '/w/api.php') return null;
  const search = matches(url.searchParams.get('srsearch'))
    ? [
        {
          ns: 0,
          title: 'Skerrow light',
          pageid: 7,
          snippet: 'A <span class="searchmatch">lighthouse</span> of the north.',
        },
      ]
    : [];
  const general = { server: url.origin, articlepath: '/wiki/$1' };
  return json({ batchcomplete: true, query: { searchinfo: { totalhits: search.length }, general, search } });
}

function searxngAnswer(url: URL, pages: readonly Named[]): ReturnType<Answer> {
  if (url.pathname !== '/search' || url.searchParams.get('format') !== 'json') return null;
  const query = url.searchParams.get('q') ?? '';
  const results = (matches(query) ? pages : []).map(({ title, url: address, snippet }) => {
    return { url: address, title, content: snippet, engine: 'small', category: 'general', publishedDate: null };
  });
  return json({ query, number_of_results: 0, results, answers: [], suggestions: [], unresponsive_engines: [] });
}

function matches(query: string | null): boolean {
  return /lighthouse|skerrow/i.test(query ?? '');
}

function html(title: string, body: string): ReturnType<Answer> {
  const page = `<!doctype html><html lang="en"><head><title>${title}</title></head><body><main>${body}</main></body></html>`;
  return { type: 'text/html; charset=utf-8', body: page };
}

function json(value: unknown): ReturnType<Answer> {
  return { type: 'application/json', body: JSON.stringify(value) };
}
