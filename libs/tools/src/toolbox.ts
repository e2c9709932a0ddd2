import { Egress, parseAllow } from '#egress';
import { Browser } from './browser/browser.ts';
import { Doors, isAllowed } from './browser/doors.ts';
import { findChromium } from './browser/find.ts';
import type { Corpora } from './corpus/corpora.ts';
import type { Evidence } from './evidence.ts';
import type { Pace } from './pace.ts';
import { Pages } from './pages.ts';
import type { SearchProvider } from './providers/provider.ts';
import { searchSignature, searchTool } from './search.ts';
import { Extraction } from './text/extraction.ts';
import type { Tool, ToolSignature } from './tool.ts';
import { visitSignature, visitTool } from './visit.ts';

/** What models are shown of the tools of a {@link Toolbox}; an agent worker has no more of them. */
export const toolSignatures: readonly ToolSignature[] = [searchSignature, visitSignature];

/** Every tool that a run may use, and what they work with. */
export interface Toolbox {
  readonly tools: readonly Tool[];
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
}

/** Says who asks, as robots should. */
const userAgent = 'Argosy/0.1 (research agent; run by its user)';
/** What robots.txt calls us. */
const product = 'Argosy';

/** How runs may reach the outside. */
export interface WayOut {
  /** `host:port,...` that they may reach although they are private. */
  readonly allow: string;
  /** The egress proxy that everything goes by; undefined: nothing is between. */
  readonly via: string | undefined;
  /** What renders pages that their scripts fill: `off`, `auto`, or the path of Chromium. */
  readonly browser: string;
}

type Settings = Readonly<Record<'ARGOSY_EGRESS_ALLOW' | 'ARGOSY_BROWSER', string>>;

/** The way out that the configuration names. */
export function wayOut(config: Settings & { readonly ARGOSY_EGRESS_URL?: string | undefined }): WayOut {
  return { allow: config.ARGOSY_EGRESS_ALLOW, via: config.ARGOSY_EGRESS_URL, browser: config.ARGOSY_BROWSER };
}

/**
 * Costs next to nothing: threads and the browser start with the first call that needs them.
 * @throws InvalidInput when `out` cannot be used
 */
export function openToolbox({ corpora, out, pace, evidence, providers }: ToolboxParts): Toolbox {
  const rules = { allow: parseAllow(out.allow), via: out.via };
  const egress = new Egress({ ...rules, userAgent });
  const extraction = new Extraction();
  const doors = new Doors(rules);
  const program = findChromium(out.browser);
  const browser = program === null ? null : new Browser({ program, userAgent, proxyFor: (url) => doors.for(url) });
  const unhurried = (url: URL) => isAllowed(url, rules.allow);
  const pages = new Pages({ egress, pace, evidence, extraction, browser, product, unhurried });
  return {
    tools: [
      searchTool(corpora, { providers, door: egress, pace, evidence }),
      visitTool({ corpora, extraction, pages }),
    ],
    close: async () => {
      await browser?.close();
      await doors.close();
      await extraction.close();
      await egress.close();
    },
  };
}
