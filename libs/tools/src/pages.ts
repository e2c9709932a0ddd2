import type { SourceDocument, ToolFault } from '#domain';
import { EgressBlocked, EgressFault, type EgressResponse } from '#egress';
import { Aborted, ArgosyError, DeadlineExceeded, InvalidInput } from '#errors';
import type { Browser } from './browser/browser.ts';
import { RenderFault } from './browser/tab.ts';
import { canonicalUrl } from './canonical-url.ts';
import { type Asking, Courtesy, type CourtesyParts } from './courtesy.ts';
import type { Made, Wanted } from './evidence.ts';
import { isNamed, pageFault, redirectFault, strangeFault } from './policy.ts';
import type { Extracted } from './text/document.ts';
import type { RawDocument, WebPage } from './text/extract.ts';
import type { Extraction, Page } from './text/extraction.ts';
import type { ToolContext } from './tool.ts';
import { ACCEPT, documentOf, keepMsOf, LEAST_KEEP_MS, MOST_KEEP_MS, statusFault, toldBy } from './web-page.ts';

/** What pages of the web are read with. */
export interface PagesParts extends CourtesyParts {
  readonly extraction: Extraction;
  /** For pages that their scripts fill; null where there is none, `elsewhere` where other workers have one. */
  readonly browser: Pick<Browser, 'render'> | 'elsewhere' | null;
}

/** A document on hand: where it came from and its text in passages. */
export interface Opened {
  readonly source: SourceDocument;
  readonly page: Page;
}

/** What became of an address, for whoever asks for it; `url` is where it led. */
type Reading = { readonly url: string; readonly unshown?: true } & (
  | { readonly opened: Opened }
  | { readonly fault: ToolFault }
);

/** A page that its scripts fill, which takes a browser that other workers have. */
export const UNSHOWN = 'unshown';

/** How often a worker with a browser asks anew for a page that one without is just reading. */
const LOOKS = 3;

/** Reading goes on when the first who asked leaves and others wait; this is its end in any case. */
const MAKE_MS = 120_000;
const PDF_MS = 20_000;
const PAGE_MS = 5_000;
/** How long others are told that an address leads to nothing, without asking again. */
const GONE_KEEP_MS = 5 * 60_000;

/** The web as pages: each fetched once for all who want it, as politely as its site asks, and made text. */
export class Pages {
  readonly #parts: PagesParts;
  readonly #courtesy: Courtesy;

  constructor(parts: PagesParts) {
    this.#parts = parts;
    this.#courtesy = new Courtesy(parts);
  }

  /**
   * Reads one page for a run, if the run may have it. Runs over documents of their own share pages within their tenant
   * only, and so do all runs the pages that their users name: such an address may be a secret.
   * @returns `unshown` where the browser is elsewhere and the page needs it
   * @throws Aborted when the context's signal fires
   */
  async open(
    url: URL,
    { policy, opens, tenantId, signal, now }: ToolContext,
  ): Promise<Opened | ToolFault | typeof UNSHOWN> {
    const fault = pageFault(url, policy) ?? strangeFault(url, policy, opens);
    if (fault) return fault;
    const key = `fetch:${canonicalUrl(url.href) ?? url.href}`;
    const isPrivate = policy.corpora.length > 0 || isNamed(url, policy);
    const wanted = { tenantId: isPrivate ? tenantId : null, key, freshMs: MOST_KEEP_MS, signal };
    const value = await this.#shared(wanted, async (making) => await this.#make(url, now, making));
    const strayed = redirectFault(url, new URL(value.url), policy);
    if (value.unshown && !strayed && this.handsOver) return UNSHOWN;
    return strayed ?? ('fault' in value ? value.fault : value.opened);
  }

  /** Whether pages that need a browser are left to others. */
  get handsOver(): boolean {
    return this.#parts.browser === 'elsewhere';
  }

  async #shared(wanted: Wanted, make: (signal: AbortSignal) => Promise<Made<Reading>>): Promise<Reading> {
    for (let look = 1; ; look += 1) {
      const { value } = await this.#parts.evidence.share(wanted, make);
      if (!value.unshown || this.handsOver || look === LOOKS) return value;
    }
  }

  /** What is expected to fail is a value, too: all who wait for it are told the same. */
  async #make(url: URL, now: string, wanted: AbortSignal): Promise<Made<Reading>> {
    const late = AbortSignal.timeout(MAKE_MS);
    try {
      return await this.#read(url, now, AbortSignal.any([wanted, late]));
    } catch (error) {
      if (!(error instanceof ArgosyError) || wanted.aborted) throw error;
      if (error instanceof Aborted && !late.aborted) throw error;
      return { value: { url: url.href, fault: faultOf(error) }, keepMs: 0 };
    }
  }

  async #read(url: URL, now: string, signal: AbortSignal): Promise<Made<Reading>> {
    const asking = { accept: ACCEPT, signal, now: Date.parse(now) };
    const reply = await this.#courtesy.fetch(url, asking);
    if ('kind' in reply) return { value: { url: url.href, fault: reply }, keepMs: 0 };
    const document = statusFault(reply, asking.now) ?? documentOf(reply);
    if ('kind' in document) return { value: { url: reply.url, fault: document }, keepMs: keepOf(document) };
    const still = { url: reply.url, page: await this.#text(document, signal) };
    if (still.page.thin && this.handsOver) return { value: unshown(still, now), keepMs: 0 };
    const read = still.page.thin ? await this.#inBrowser(still, asking) : still;
    if ('kind' in read) return { value: { url: reply.url, fault: read }, keepMs: 0 };
    if (!read.page.extracted) return { value: { url: read.url, fault: noText }, keepMs: GONE_KEEP_MS };
    const opened = openedAs(read.url, read.page, read.page.extracted, now);
    return { value: { url: read.url, opened }, keepMs: this.#keepMs(url, reply.headers, asking.now) };
  }

  /** The operator's own hosts are asked as often as they want: nobody has to be polite to them. */
  #keepMs(url: URL, headers: EgressResponse['headers'], now: number): number {
    return keepMsOf(headers, now, this.#parts.unhurried(url) ? 0 : LEAST_KEEP_MS);
  }

  async #text(document: RawDocument, signal: AbortSignal): Promise<WebPage> {
    const timeoutMs = document.type === 'pdf' ? PDF_MS : PAGE_MS;
    return await this.#parts.extraction.read(document, { timeoutMs, signal });
  }

  /** The page as its scripts make it; what it said without them where that is a text and the browser has no better. */
  async #inBrowser(still: Read, asking: Asking): Promise<Read | ToolFault> {
    const rendered = await this.#rendered(new URL(still.url), asking);
    const said = lengthOf(still.page);
    if ('kind' in rendered) return said >= ENOUGH ? still : rendered;
    return lengthOf(rendered.page) > said ? rendered : still;
  }

  async #rendered(url: URL, asking: Asking): Promise<Read | ToolFault> {
    const { browser } = this.#parts;
    if (!browser || browser === 'elsewhere') return needsBrowser;
    const { signal } = asking;
    try {
      const shown = await this.#courtesy.inTurn(url, signal, async () => await browser.render(url, signal));
      if ('kind' in shown) return shown;
      const moved = shown.url !== url.href ? await this.#courtesy.closed(new URL(shown.url), asking) : null;
      if (moved) return moved;
      const document = { bytes: Buffer.from(shown.html), type: 'html', charset: 'utf-8' } as const;
      return { url: shown.url, page: await this.#text(document, signal) };
    } catch (error) {
      if (!(error instanceof ArgosyError) || error instanceof Aborted) throw error;
      if (error instanceof RenderFault) return { kind: error.kind, message: error.message };
      return {
        kind: 'transient',
        message: `The page is made by its scripts, and the browser failed: ${error.message}`,
      };
    }
  }
}

/** A page as it was read at `url`. */
interface Read {
  readonly url: string;
  readonly page: WebPage;
}

/** With so many characters a page that its scripts would fill is worth reading without them. */
const ENOUGH = 200;

function lengthOf({ extracted }: WebPage): number {
  return extracted?.text.length ?? 0;
}

const needsBrowser: ToolFault = {
  kind: 'invalid',
  message:
    'The page is made by its scripts, which takes a browser that is not here: install Chromium (apt-get install chromium) or name its program in ARGOSY_BROWSER. Use another source meanwhile.',
};

/** What is told to workers of a release that does not know of handing over. */
function unshown({ url, page }: Read, now: string): Reading {
  const { extracted } = page;
  const said = extracted && lengthOf(page) >= ENOUGH ? openedAs(url, page, extracted, now) : null;
  return { url, unshown: true, ...(said === null ? { fault: needsBrowser } : { opened: said }) };
}

const noText: ToolFault = { kind: 'invalid', message: 'The page shows no text, even in a browser.' };

function openedAs(url: string, { facts, part }: WebPage, extracted: Extracted, now: string): Opened {
  const { sha256, bytes, text, spans } = extracted;
  const { pathname, host } = new URL(url);
  const name = extracted.title ?? (decoded(pathname.split('/').pop() ?? '') || host);
  const title = part === undefined ? name : `${name} (${part})`;
  const told = facts ? toldBy(facts, url) : {};
  return { source: { uri: url, title, sha256, bytes, fetchedAt: now, ...told }, page: { text, spans } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What the site will say again is kept, what may pass is told only to those who wait. */
function keepOf({ kind }: ToolFault): number {
  return kind === 'invalid' || kind === 'blocked' ? GONE_KEEP_MS : 0;
}

/** An expected failure as a fault of its section. */
export function faultOf(error: ArgosyError): ToolFault {
  if (error instanceof EgressBlocked || error instanceof EgressFault)
    return { kind: error.kind, message: error.message };
  if (error instanceof InvalidInput) return { kind: 'invalid', message: `The page cannot be used: ${error.message}` };
  if (error instanceof DeadlineExceeded) {
    return { kind: 'invalid', message: `The page took longer than ${error.limitMs} ms to read and was given up.` };
  }
  return { kind: error.retryable ? 'transient' : 'invalid', message: 'The page could not be read.' };
}
