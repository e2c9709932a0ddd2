/** How fast the console is: what it weighs, when it can be used, and what a run of 2,000 steps costs the browser. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { Gateway } from '#gateway';
import type { Runs, StoredEvent } from '#runs';
import { findChromium } from '#tools';
import { launchBrowser } from '../../apps/console/e2e/browser.ts';
import { offerOf } from '../support/offers.ts';
import { type Benchmark, percentile, round } from './result.ts';

const steps = 2_000;
/** Events that come one by one once the run is drawn. */
const singles = 200;
const rounds = 7;
const runId = 'run_019c0d2f4a10a1b2c3d4e5f60718293a';
const at = '2026-01-31T12:00:00.000Z';

/** A run as its events tell it: each step asks for one call, which brings a source. */
function* eventsOfSteps(): Generator<Omit<StoredEvent, 'seq'>> {
  yield { type: 'run.accepted', data: { question: 'Why?' }, at };
  yield { type: 'run.started', data: {}, at };
  for (let step = 0; step < steps; step += 1) {
    const call = { step, index: 0, tool: 'search' };
    const usage = { promptTokens: 900, cachedTokens: 600, completionTokens: 40 };
    yield { type: 'step.started', data: { step }, at };
    yield { type: 'model.completed', data: { step, calls: 1, answered: false, usage }, at };
    yield { type: 'tool.started', data: { ...call, args: { query: [`what is known of number ${step}`] } }, at };
    const found = { passages: 3, hits: 2, sources: [`https://example.org/${step}`], faults: [] };
    yield { type: 'tool.completed', data: { ...call, ...found }, at };
  }
}

const whole: readonly StoredEvent[] = [...eventsOfSteps()].map((event, index) => ({ ...event, seq: index + 1 }));

/** Runs that play that one; nothing else of them is asked. */
function playing(go: AbortSignal): Runs {
  const run = {
    runId,
    status: 'running',
    question: 'Why?',
    model: 'writer',
    acceptedAt: at,
    startedAt: at,
    endedAt: null,
    budget: {},
    corpora: [],
  };
  const played = {
    get: async () => ({ ...run, queuePosition: null, metadata: {}, report: null }),
    list: async () => [],
    position: async () => ({ last: whole.length, ended: false }),
    onDelta: () => () => undefined,
    corpora: { list: async () => [] },
    async *eventBatches(_: unknown, after: number, signal: AbortSignal) {
      if (after === 0) yield whole;
      if (!go.aborted) await once(go, 'abort');
      for (let n = 1; n <= singles && !signal.aborted; n += 1) {
        yield [{ seq: whole.length + n, type: 'run.waiting', data: { seconds: n }, at }];
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      if (!signal.aborted) await once(signal, 'abort');
    },
  };
  return played as unknown as Runs; // what these pages ask of it
}

/** Notes in the page when something came to be, by the page's own clock. */
const noticing = `
  window.noted = {};
  const note = (name) => { window.noted[name] ??= performance.now(); };
  new MutationObserver(() => {
    if (document.querySelector('.question textarea')) requestAnimationFrame(() => note('asks'));
    const label = document.querySelector('.timeline .scroll')?.getAttribute('aria-label') ?? '';
    if (parseInt(label.replace(/\\D/g, '')) >= ${2 + 2 * steps}) requestAnimationFrame(() => note('drawn'));
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['aria-label'] });
  const own = window.fetch;
  window.fetch = async (...args) => {
    const response = await own(...args);
    if (String(args[0]).endsWith('/events')) note('stream');
    return response;
  };`;

/** When something came to be, once it has; the page's policy lets nothing ask again and again from inside. */
const notedAt = (name: string): string =>
  `new Promise((resolve) => { const look = () => window.noted.${name} === undefined ? requestAnimationFrame(look) : resolve(window.noted.${name}); look(); })`;

export const consoleBench: Benchmark = async (say) => {
  const program = findChromium('auto');
  if (program === null) throw new Error('There is no Chromium on this machine: apt-get install chromium');
  const browser = await launchBrowser(program);
  const samples: Sample[] = [];
  try {
    for (let n = 1; n <= rounds; n += 1) {
      say(`round ${n} of ${rounds}`);
      samples.push(await measure(browser));
    }
  } finally {
    await browser.close();
  }
  const middle = (name: keyof Sample) =>
    round(
      percentile(
        samples.map((sample) => sample[name]),
        0.5,
      ),
    );
  const worst = (name: keyof Sample) => round(Math.max(...samples.map((sample) => sample[name])));
  const limits = { scriptKB: 200, interactiveMs: 1_000, renderMs: 200, eventMs: 16 } as const;
  const names = Object.keys(limits) as (keyof typeof limits)[]; // as it is written
  return {
    params: { steps, events: whole.length, singles, rounds },
    rows: names.map((what) => ({ what, median: middle(what), worst: worst(what), limit: limits[what] })),
    ratios: Object.fromEntries(names.map((what) => [`${what}, median to limit`, round(middle(what) / limits[what])])),
  };
};

interface Sample {
  /** JavaScript of the first view, as it came over the wire, in thousands of bytes. */
  readonly scriptKB: number;
  /** From the start of the navigation until a question can be typed. */
  readonly interactiveMs: number;
  /** From the first byte of the events until all of them are drawn. */
  readonly renderMs: number;
  /** Of the page's main thread, for each event that comes by itself. */
  readonly eventMs: number;
}

async function measure(browser: Awaited<ReturnType<typeof launchBrowser>>): Promise<Sample> {
  const go = new AbortController();
  const gateway = await serveRun(go.signal);
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 } });
  try {
    const page = await context.newPage();
    await page.addInitScript(noticing);
    await page.goto(gateway.url);
    await page.locator('.question textarea').waitFor();
    const interactiveMs = await page.evaluate<number>(notedAt('asks'));
    const scriptKB = await page.evaluate<number>(`performance.getEntriesByType('resource')
      .filter(({ name }) => name.endsWith('.js')).reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0) / 1000`);
    await page.goto(`${gateway.url}/runs/${runId}`);
    const drawnAt = await page.evaluate<number>(notedAt('drawn'));
    const renderMs = drawnAt - (await page.evaluate<number>(notedAt('stream')));
    const session = await context.newCDPSession(page);
    await session.send('Performance.enable');
    const before = await taskMs(session);
    go.abort();
    await page.locator('.timeline', { hasText: `asked again in ${singles} s` }).waitFor();
    return { scriptKB, interactiveMs, renderMs, eventMs: ((await taskMs(session)) - before) / singles };
  } finally {
    await context.close();
    await gateway.stop();
  }
}

type Session = Awaited<
  ReturnType<Awaited<ReturnType<Awaited<ReturnType<typeof launchBrowser>>['newContext']>>['newCDPSession']>
>;

async function taskMs(session: Session): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
}

async function serveRun(go: AbortSignal): Promise<Gateway> {
  const model = { isLanguageModel: true, profile: 'tongyi-v1', contextTokens: null, prices: [] };
  const offer = offerOf({ models: new Map([['writer', model]]), defaultModel: 'writer', knowsCorpus: () => true });
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey };
  return await Gateway.start(playing(go), offer, options, { log: () => undefined });
}
