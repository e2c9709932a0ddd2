import { Aborted, ArgosyError, type FaultKind } from '#errors';
import type { DevTools, DevToolsEvent } from './devtools.ts';

/** A page as its scripts made it. */
export interface Rendered {
  /** Where the document that is shown stands: after all redirects, and where scripts moved on to. Without fragment. */
  readonly url: string;
  /** Of the first document. */
  readonly status: number;
  readonly html: string;
}

/** A page that the browser could not bring up. `kind` as for any fetch. */
export class RenderFault extends ArgosyError {
  override readonly name = 'RenderFault';
  readonly code = 'render_failed';
  readonly kind: FaultKind;
  readonly retryable: boolean;
  constructor(kind: FaultKind, message: string) {
    super(message);
    this.kind = kind;
    this.retryable = kind === 'transient';
  }
}

/** Bounds of one page. */
export interface TabLimits {
  /** From the start to the document's end; a page that has not answered by then is given up. */
  readonly loadMs: number;
  /** From there on; what a page has not shown by then is left out. */
  readonly settleMs: number;
  /** Nothing under way for so long: the page has settled. */
  readonly quietMs: number;
  readonly requests: number;
  readonly htmlCharacters: number;
  readonly elements: number;
}

/** A page that shows less than this, in characters, is given all its time to settle. */
const LITTLE_TEXT = 200;

/** Before any script of the page: no way around the proxy, nothing that outlives the page, no second page. */
const PREPARE = `(() => {
  for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection', 'WebTransport', 'SharedWorker'])
    Object.defineProperty(globalThis, name, { value: undefined, configurable: false });
  if (globalThis.ServiceWorkerContainer)
    ServiceWorkerContainer.prototype.register = () => Promise.reject(new Error('not here'));
  globalThis.open = () => null;
  globalThis.print = () => undefined;
})()`;

const TEXT_LENGTH = `(document.body?.innerText ?? '').length`;

/**
 * Runs in a world of its own, where no script of the page has changed anything. Open shadow trees become plain ones. The
 * address is told by the same document: a script may move on to another site at any time.
 */
const serialise = ({ elements, htmlCharacters }: TabLimits) => `(() => {
  const url = location.href.replace(/#.*/s, '');
  if (document.getElementsByTagName('*').length > ${elements}) return { url, html: '' };
  const flatten = (root, depth) => {
    for (const host of root.querySelectorAll('*')) {
      const tree = host.shadowRoot;
      if (!tree || depth > 20) continue;
      flatten(tree, depth + 1);
      for (const slot of tree.querySelectorAll('slot')) slot.replaceWith(...slot.assignedNodes({ flatten: true }));
      host.replaceChildren(...tree.childNodes);
    }
  };
  flatten(document, 0);
  return { url, html: document.documentElement.outerHTML.slice(0, ${htmlCharacters}) };
})()`;

/** One page in a context of its own: what it stores is gone with it. */
export class Tab {
  readonly #devTools: DevTools;
  readonly #session: string;
  readonly #limits: TabLimits;
  readonly #underWay = new Set<string>();
  #requests = 0;
  #status: number | null = null;
  #loaded = false;
  #changed: () => void = () => undefined;

  private constructor(devTools: DevTools, session: string, limits: TabLimits) {
    this.#devTools = devTools;
    this.#session = session;
    this.#limits = limits;
  }

  /**
   * Opens an empty page whose requests all go by `proxyUrl`, renders `url` in it, and takes it away with all it left.
   * @throws RenderFault; Aborted when `signal` fires; Unavailable, DeadlineExceeded when the browser does not answer
   */
  static async render(
    devTools: DevTools,
    url: string,
    { proxyUrl, limits, signal }: { proxyUrl: string; limits: TabLimits; signal: AbortSignal },
  ): Promise<Rendered> {
    const context = { disposeOnDetach: true, proxyServer: proxyUrl, proxyBypassList: '<-loopback>' };
    const { browserContextId } = await devTools.send('Target.createBrowserContext', context);
    let stop = (): void => undefined;
    try {
      await devTools.send('Browser.setDownloadBehavior', { behavior: 'deny', browserContextId });
      const { targetId } = await devTools.send('Target.createTarget', { url: 'about:blank', browserContextId });
      const { sessionId } = await devTools.send('Target.attachToTarget', { targetId, flatten: true });
      const tab = new Tab(devTools, String(sessionId), limits);
      stop = devTools.listen(String(sessionId), (event) => tab.#hear(event));
      return await orAborted(tab.#render(url), signal);
    } finally {
      stop();
      await devTools.send('Target.disposeBrowserContext', { browserContextId });
    }
  }

  async #render(url: string): Promise<Rendered> {
    await this.#prepare();
    const { host } = new URL(url);
    const loadBy = Date.now() + this.#limits.loadMs;
    const asked = this.#send('Page.navigate', { url });
    const reply = await within(asked, this.#limits.loadMs);
    if (reply === null) throw tooSlow(host, this.#limits.loadMs);
    const why = reply['errorText'];
    if (typeof why === 'string' && why !== '')
      throw new RenderFault('transient', `${host} could not be opened in the browser (${why})`);
    while (!this.#loaded) if (!(await this.#change(loadBy))) break;
    const status = this.#status;
    if (status === null) throw tooSlow(host, this.#limits.loadMs);
    await this.#settle();
    return { ...(await this.#read(host)), status };
  }

  async #read(host: string): Promise<Pick<Rendered, 'url' | 'html'>> {
    const read = await this.#evaluate(serialise(this.#limits));
    const { url, html } = read as Pick<Rendered, 'url' | 'html'>; // as serialise gives it
    if (!/^https?:/.test(url))
      throw new RenderFault('invalid', `The page of ${host} moves on to what is no page of the web`);
    if (html !== '') return { url, html };
    const { elements } = this.#limits;
    throw new RenderFault('invalid', `The page of ${host} has more than ${elements} elements and is not read`);
  }

  async #prepare(): Promise<void> {
    await this.#send('Page.enable', {});
    await this.#send('Network.enable', { maxTotalBufferSize: 0, maxResourceBufferSize: 0 });
    await this.#send('Network.setBypassServiceWorker', { bypass: true });
    await this.#send('Page.addScriptToEvaluateOnNewDocument', { source: PREPARE });
    const patterns = ['Image', 'Media', 'Font'].map((resourceType) => ({ resourceType, urlPattern: '*' }));
    await this.#send('Fetch.enable', { patterns });
  }

  #hear({ method, params }: DevToolsEvent): void {
    const id = String(params['requestId']);
    switch (method) {
      case 'Fetch.requestPaused':
        this.#tell('Fetch.failRequest', { requestId: id, errorReason: 'BlockedByClient' });
        return;
      case 'Page.javascriptDialogOpening':
        this.#tell('Page.handleJavaScriptDialog', { accept: false });
        return;
      case 'Network.requestWillBeSent':
        this.#underWay.add(id);
        this.#requests++;
        if (this.#requests === this.#limits.requests) this.#tell('Network.emulateNetworkConditions', OFFLINE);
        break;
      case 'Network.loadingFinished':
      case 'Network.loadingFailed':
        this.#underWay.delete(id);
        break;
      case 'Network.responseReceived':
        this.#received(params);
        break;
      case 'Page.domContentEventFired':
        this.#loaded = true;
        break;
      default:
        return;
    }
    this.#changed();
  }

  /** The document itself is the first of its kind; frames load further ones. */
  #received({ type, response }: DevToolsEvent['params']): void {
    if (type === 'Document') this.#status ??= (response as { status: number }).status; // Network.Response
  }

  /** Waits until nothing has been under way for a while and there is something to read. */
  async #settle(): Promise<void> {
    const end = Date.now() + this.#limits.settleMs;
    while (Date.now() < end) {
      if (this.#underWay.size > 0) {
        await this.#change(end);
        continue;
      }
      if (await this.#change(Math.min(end, Date.now() + this.#limits.quietMs))) continue;
      if (Number(await this.#evaluate(TEXT_LENGTH)) >= LITTLE_TEXT) return;
    }
  }

  /** True when something happened before `until` (epoch ms). */
  #change(until: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, until - Date.now()));
      this.#changed = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  async #evaluate(expression: string): Promise<unknown> {
    const { frameTree } = await this.#send('Page.getFrameTree', {});
    const { id: frameId } = (frameTree as { frame: { id: string } }).frame; // Page.FrameTree
    const { executionContextId: contextId } = await this.#send('Page.createIsolatedWorld', { frameId });
    const { result } = await this.#send('Runtime.evaluate', {
      expression,
      contextId,
      returnByValue: true,
      timeout: 5_000,
    });
    return (result as { value?: unknown }).value; // Runtime.RemoteObject
  }

  #send(method: string, params: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
    return this.#devTools.send(method, params, { session: this.#session });
  }

  /** For what needs no answer: the request or the page may be gone when it arrives. */
  #tell(method: string, params: Readonly<Record<string, unknown>>): void {
    this.#send(method, params).catch(() => undefined);
  }
}

const OFFLINE = { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 };

function tooSlow(host: string, limitMs: number): RenderFault {
  return new RenderFault('transient', `${host} showed no page in the browser within ${limitMs} ms`);
}

/** What `promise` gives, or null after `limitMs`; what comes after that is ignored. */
async function within<T>(promise: Promise<T>, limitMs: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limitMs);
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Settles as `promise` does, or with Aborted as soon as `signal` fires. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => undefined);
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new Aborted('The page was given up in the browser', { cause: signal.reason }));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
