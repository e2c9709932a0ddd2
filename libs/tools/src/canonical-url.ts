/** Parameters that tell where a reader came from and nothing about the page. */
const TRACKING = new Set([
  ...['gclid', 'gclsrc', 'dclid', 'gbraid', 'wbraid', 'srsltid', '_ga', '_gl', 'fbclid', 'msclkid', 'yclid', 'twclid'],
  ...['ttclid', 'li_fat_id', 'igshid', 'mc_cid', 'mc_eid', '_hsenc', '_hsmi', 'mkt_tok', 'vero_id', 'oly_anon_id'],
  ...['oly_enc_id', 'wickedid', 'ref_src', 'ref_url'],
]);

const UNRESERVED = /^[\w.~-]$/;

/**
 * The one spelling of a page's address, by which searches are merged and fetches are shared: host in lower case without a
 * final dot, no default port, fragment, tracking parameters or final `index.html`, percent-encoding as in RFC 3986 6.2.2,
 * and parameters in order of name where no name comes twice.
 * @returns null for what is no http(s) URL, and for one with a user name, which no page of the open web needs
 */
export function canonicalUrl(address: string): string | null {
  const url = URL.parse(address.trim());
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return null;
  url.hash = '';
  if (url.hostname.endsWith('.')) url.hostname = url.hostname.replace(/\.+$/, '');
  if (url.hostname === '') return null;
  url.pathname = evenly(url.pathname).replace(/\/index\.html?$/i, '/');
  const parameters = url.search.slice(1).split('&').filter(isOfThePage);
  const query = evenly(inOrder(parameters).join('&'));
  // Of a query that begins with a question mark, the setter would take that for its own.
  url.search = query === '' ? '' : `?${query}`;
  return url.href;
}

function isOfThePage(parameter: string): boolean {
  const name = nameOf(parameter).toLowerCase();
  return parameter !== '' && !name.startsWith('utm_') && !TRACKING.has(name);
}

/** By name, if the names alone say what is what: a name that comes twice, or a bare word, may count by its place. */
function inOrder(parameters: readonly string[]): readonly string[] {
  const names = new Set(parameters.map(nameOf));
  if (names.size < parameters.length || !parameters.every((parameter) => /^[\w.-]+=/.test(parameter)))
    return parameters;
  return parameters.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

function nameOf(parameter: string): string {
  return parameter.split('=', 1)[0] ?? '';
}

function evenly(text: string): string {
  return text.replace(/%[0-9a-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return UNRESERVED.test(character) ? character : code.toUpperCase();
  });
}
