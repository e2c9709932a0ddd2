import { isToolKind, type ToolKind, toolKinds } from '#domain';
import { Egress, parseAllow, parseDeny } from '#egress';
import { InvalidInput } from '#errors';
import type { Config, Logger } from '#platform';
import { Browser } from './browser/browser.ts';
import type { BrowserSandbox } from './browser/chromium.ts';
import { Doors, isAllowed } from './browser/doors.ts';
import { findChromium } from './browser/find.ts';
import type { Corpora } from './corpus/corpora.ts';
import type { Evidence } from './evidence.ts';
import type { SecretReader } from './own-keys.ts';
import type { Pace } from './pace.ts';
import { Pages } from './pages.ts';
import { isScholarly } from './providers/chosen.ts';
import type { SearchProvider } from './providers/provider.ts';
import type { PageReader } from './reading.ts';
import { scholarSignature, scholarTool } from './scholar.ts';
import { searchSignature, searchTool } from './search.ts';
import { Extraction } from './text/extraction.ts';
import type { Tool, ToolSignature } from './tool.ts';
import { visitSignature, visitTool } from './visit.ts';

/**
 * What models are shown of the tools of a {@link Toolbox} with these search providers, by name; an agent worker has no
 * more of them.
 */
export function toolSignatures(providers: readonly string[]): readonly ToolSignature[] {
  const scholar = providers.some(isScholarly) ? [scholarSignature] : [];
  return [searchSignature, ...scholar, visitSignature];
}

/** Every tool that a run may use, and what they work with. */
export interface Toolbox {
  readonly tools: readonly Tool[];
  /** Kinds of calls that can be performed with them. */
  readonly kinds: readonly ToolKind[];
  /** Ends fetches, threads and the browser. The corpora were given and stay open. */
  close(): Promise<void>;
}

/** What tools work with that others own. */
export interface ToolboxParts {
  readonly corpora: Corpora;
  readonly out: WayOut;
  /** Turns at hosts and providers, counted over the whole fleet. */
  readonly pace: Pace;
  /** What the fleet has looked up already. */
  readonly evidence: Evidence;
  readonly providers: readonly SearchProvider[];
  /** Keys that tenants have at providers themselves. */
  readonly secrets: SecretReader;
  /** Has pages read by the models of this process; null where there are none. */
  readonly reader: PageReader | null;
  readonly logger: Logger;
  /** Kinds of calls that are wanted; absent: all that there can be here. */
  readonly kinds?: readonly ToolKind[] | undefined;
}

/** Checks `ARGOSY_TOOLS`. @throws InvalidInput when a word of it names no kind, or one twice */
export function parseTools(text: string): readonly ToolKind[] {
  const names = text.split(',').map((name) => name.trim());
  const fault = (message: string): InvalidInput => new InvalidInput([{ path: 'ARGOSY_TOOLS', message }]);
  if (new Set(names).size < names.length) throw fault('names a kind twice');
  return names.map((name) => {
    if (isToolKind(name)) return name;
    throw fault(`"${name}" is no kind of tool; write some of ${toolKinds.join(', ')}, separated by commas`);
  });
}

/** What robots.txt calls us. */
const product = 'Argosy';

/** Says who asks, as robots should, and where to complain. @param contact e-mail address or page; undefined for none */
function userAgentFor(contact: string | undefined): string {
  return `${product}/0.1 (research agent; ${contact ?? 'run by its user'})`;
}

/** How runs may reach the outside. */
export interface WayOut {
  /** `host:port,...` that they may reach although they are private. */
  readonly allow: string;
  /** `CIDR,...` that they may not reach although they are public. */
  readonly deny: string;
  /** The egress proxy that everything goes by; undefined: nothing is between. */
  readonly via: string | undefined;
  /** Whom those who are asked may write to; undefined: nobody is named. */
  readonly contact: string | undefined;
  /** What renders pages that their scripts fill: `off`, `auto`, `workers`, or the path of Chromium. */
  readonly browser: string;
  /** What keeps its pages from the machine; absent: its own sandbox. */
  readonly sandbox?: BrowserSandbox;
}

type Settings = Pick<
  Config,
  | 'ARGOSY_EGRESS_ALLOW'
  | 'ARGOSY_EGRESS_DENY'
  | 'ARGOSY_EGRESS_URL'
  | 'ARGOSY_CONTACT'
  | `ARGOSY_BROWSER${'' | '_SANDBOX'}`
>;

/** The way out that the configuration names. */
export function wayOut(config: Settings): WayOut {
  const {
    ARGOSY_EGRESS_ALLOW: allow,
    ARGOSY_EGRESS_DENY: deny,
    ARGOSY_EGRESS_URL: via,
    ARGOSY_CONTACT: contact,
    ARGOSY_BROWSER: browser,
    ARGOSY_BROWSER_SANDBOX: sandbox,
  } = config;
  return { allow, deny, via, contact, browser, sandbox };
}

/**
 * Costs next to nothing: threads and the browser start with the first call that needs them.
 * @throws InvalidInput when `out` cannot be used, or `kinds` name a browser that is not here
 */
export function openToolbox(parts: ToolboxParts): Toolbox {
  const { corpora, out, pace, evidence, providers, secrets, reader, logger } = parts;
  const rules = { allow: parseAllow(out.allow), deny: parseDeny(out.deny), via: out.via };
  const userAgent = userAgentFor(out.contact);
  const egress = new Egress({ ...rules, userAgent });
  const extraction = new Extraction();
  const doors = new Doors(rules);
  const program = findChromium(out.browser);
  const kinds = kindsOf(parts, program !== null);
  const { sandbox = 'own' } = out;
  const proxyFor = (url: URL) => doors.for(url);
  const browser = program === null ? null : new Browser({ program, userAgent, sandbox, proxyFor });
  const unhurried = (url: URL) => isAllowed(url, rules.allow);
  const shows = out.browser === 'workers' ? ('elsewhere' as const) : browser;
  const pages = new Pages({ egress, pace, evidence, extraction, browser: shows, product, unhurried });
  const web = { providers, secrets, door: egress, pace, evidence, onRefusal: onceEach(logger) };
  const onFault = (message: string) => logger.log('warn', 'visit.page.unread', { message });
  const readings = { reader, onFault };
  const tools = [
    ...(kinds.includes('search') ? [searchTool(corpora, web)] : []),
    ...(kinds.includes('scholar') ? [scholarTool(web)] : []),
    ...(kinds.includes('visit') || kinds.includes('browser')
      ? [visitTool({ corpora, extraction, pages, readings })]
      : []),
  ];
  return {
    tools,
    kinds,
    close: async () => {
      await browser?.close();
      await doors.close();
      await extraction.close();
      await egress.close();
    },
  };
}

/** @throws InvalidInput */
function kindsOf({ kinds, providers }: ToolboxParts, hasBrowser: boolean): readonly ToolKind[] {
  const isHere: Record<ToolKind, boolean> = {
    search: true,
    visit: true,
    browser: hasBrowser,
    scholar: providers.some(({ name }) => isScholarly(name)),
  };
  if (kinds?.includes('browser') && !hasBrowser) {
    const message = 'names browser, and no Chromium is here: install it, or name its program in ARGOSY_BROWSER';
    throw new InvalidInput([{ path: 'ARGOSY_TOOLS', message }]);
  }
  // Which providers there are is one setting for the whole fleet: without those of works, nobody calls for any.
  return (kinds ?? toolKinds).filter((kind) => isHere[kind]);
}

/** Tells the operator of each provider that refuses us, once: it would go on with every query. */
function onceEach(logger: Logger): (provider: string, message: string) => void {
  const told = new Set<string>();
  return (provider, message) => {
    if (!told.has(provider)) logger.log('warn', 'search.provider.refused', { provider, message });
    told.add(provider);
  };
}
