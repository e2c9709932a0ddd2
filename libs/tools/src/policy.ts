import { domainToASCII } from 'node:url';
import { opensKnownOnly, type SourcePolicy, type ToolFault } from '#domain';

/** Whether it is one of the pages that the user named. */
export function isNamed(url: URL, { urls }: SourcePolicy): boolean {
  return urls.some((named) => samePage(named, url));
}

/**
 * Why a run may not ask for a page; null when it may. Pages that the user named are always allowed.
 */
export function pageFault(url: URL, policy: SourcePolicy): ToolFault | null {
  if (isNamed(url, policy)) return null;
  if (!policy.web)
    return blocked('The web is not allowed in this run; only the pages that the user named can be visited.');
  return hostFault(url, policy);
}

/**
 * Why a run with documents of its own may not open an address of the web that it neither was given nor found; null when it
 * may. What nobody has said is not allowed.
 */
export function strangeFault(url: URL, policy: SourcePolicy, opens: readonly string[] | null): ToolFault | null {
  if (!opensKnownOnly(policy) || isNamed(url, policy)) return null;
  if (opens?.some((known) => samePage(known, url))) return null;
  return blocked(
    'This run has documents of its own, whose words an address could carry away. So it opens only addresses that stand in the question or its sources, that a search named, or that a page it read on the web names. Search for the page and visit it as the search names it.',
  );
}

/**
 * Why the page that a redirect led to may not be used; null when it may. A page that the user named may move within its
 * own site.
 */
export function redirectFault(asked: URL, reached: URL, policy: SourcePolicy): ToolFault | null {
  if (reached.host === asked.host) return null;
  const fault = pageFault(reached, policy);
  const named = isNamed(asked, policy);
  const [a, b] = [asked.hostname, reached.hostname];
  if (!fault || (named && (covers(a, b) || covers(b, a)) && !policy.denyDomains.some((d) => covers(d, b)))) return null;
  return blocked(`The page redirects to ${reached.host}, which this run may not use: ${fault.message}`);
}

function hostFault({ hostname }: URL, { allowDomains, denyDomains }: SourcePolicy): ToolFault | null {
  if (denyDomains.some((domain) => covers(domain, hostname))) return blocked(`${hostname} is excluded from this run.`);
  if (allowDomains.length === 0 || allowDomains.some((domain) => covers(domain, hostname))) return null;
  return blocked(`${hostname} is not among the sites that this run may use: ${allowDomains.join(', ')}.`);
}

/** A domain covers itself and its subdomains. */
function covers(domain: string, hostname: string): boolean {
  const wanted = bare(domain);
  const host = bare(hostname);
  return wanted !== '' && (host === wanted || host.endsWith(`.${wanted}`));
}

/** As it stands in URLs: a policy may write `münchen.example`. */
function bare(name: string): string {
  const host = name
    .toLowerCase()
    .replace(/^\*?\./, '')
    .replace(/\.$/, '');
  return domainToASCII(host) || host;
}

function samePage(named: string, url: URL): boolean {
  return URL.canParse(named) && withoutHash(new URL(named)) === withoutHash(url);
}

function withoutHash(url: URL): string {
  return url.href.slice(0, url.href.length - url.hash.length).replace(/#$/, '');
}

function blocked(message: string): ToolFault {
  return { kind: 'blocked', message };
}
