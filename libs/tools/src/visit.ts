import type { Observation, Section, SourceDocument, ToolFault } from '#domain';
import { Aborted, ArgosyError, NotFound } from '#errors';
import { stringArgument, stringsArgument, stringsSchema } from './arguments.ts';
import type { Corpora } from './corpus/corpora.ts';
import { faultOf, type Opened, type Pages, UNSHOWN } from './pages.ts';
import { CANDIDATES, Readings, type ReadingsParts } from './reading.ts';
import type { Extraction } from './text/extraction.ts';
import { ForOthers, type Tool, type ToolContext, type ToolOutput, type ToolSignature } from './tool.ts';

/** Longest that choosing them may take: they are counted, not read. */
const FIT_MS = 20_000;
/** Below the deadline of the tool, which would lose the pages that were read. */
const TOTAL_MS = 60_000;

/** The parts that `visit` works with. Without `pages` only documents of the corpora can be visited. */
export interface VisitParts {
  readonly corpora: Corpora;
  readonly extraction: Extraction;
  readonly pages: Pages | null;
  /** Absent where no model reads pages: words alone choose passages. */
  readonly readings?: ReadingsParts;
  /** Longest that the pages of one call may take together; what is not read by then is a fault of its own. Default 60,000. */
  readonly totalMs?: number;
}

/** What a model is shown of `visit`. */
export const visitSignature: ToolSignature = {
  name: 'visit',
  description:
    'Reads pages (http, https) or documents of this run (corpus: addresses as search returns them) and returns the passages that fit the goal best.',
  parameters: {
    type: 'object',
    properties: {
      url: stringsSchema('1 to 5 addresses to read.'),
      goal: { type: 'string', description: 'What you want to learn from them.' },
    },
    required: ['url', 'goal'],
    additionalProperties: false,
  },
};

/** The tool `visit`: the passages of 1 to 5 pages or documents that fit a goal best. */
export function visitTool(parts: VisitParts): Tool {
  return {
    signature: visitSignature,
    deadlineMs: 90_000,
    sideEffects: false,
    async run(args, context) {
      const goal = stringArgument(args, 'goal');
      const urls = stringsArgument(args, 'url');
      const late = AbortSignal.timeout(parts.totalMs ?? TOTAL_MS);
      const readings = new Readings(parts.readings ?? noReader, context);
      const targets = urls.map((url) => ({ url, goal, late, readings }));
      const openings = targets.map((target) => ({ target, opening: openOne(parts, target, context) }));
      // Before anything is read: what a model reads is paid for.
      if (parts.pages?.handsOver) {
        const opened = await Promise.all(openings.map(({ opening }) => opening));
        if (opened.includes(UNSHOWN)) throw new ForOthers('browser');
      }
      const visits = openings.map(async ({ target, opening }) => await readOne(parts, target, await opening, context));
      return output(await Promise.all(visits), readings.usage);
    },
  };
}

const noReader: ReadingsParts = { reader: null, onFault: () => {} };

interface Target {
  readonly url: string;
  readonly goal: string;
  /** Fires when nobody waits for the page any more. */
  readonly late: AbortSignal;
  readonly readings: Readings;
}

interface Visit {
  readonly section: Section;
  readonly source?: SourceDocument;
  readonly text?: string;
}

/** What became of an address: a document, why there is none, or that it takes a browser that others have. */
type Opening = Opened | ToolFault | typeof UNSHOWN;

const tooLate: ToolFault = {
  kind: 'transient',
  message: 'It was not there in the time that a call has for its pages.',
};

const lostCorpus: ToolFault = { kind: 'invalid', message: 'A corpus of this run is not there any more.' };

async function openOne(parts: VisitParts, target: Target, call: ToolContext): Promise<Opening> {
  const context = withLateness(target, call);
  try {
    if (target.url.startsWith('corpus:')) return await openDocument(parts, target.url, context);
    return await openPage(parts, target.url, context);
  } catch (error) {
    return expected(error, target, call);
  }
}

async function readOne(parts: VisitParts, target: Target, opened: Opening, call: ToolContext): Promise<Visit> {
  if (opened === UNSHOWN) throw new ForOthers('browser');
  if ('kind' in opened) return failed(target.url, opened);
  const { source, page } = opened;
  const limits = { timeoutMs: FIT_MS, signal: withLateness(target, call).signal, limit: CANDIDATES };
  try {
    const fitting = await parts.extraction.fit(page, target.goal, limits);
    const chosen = await target.readings.choose(opened, target.goal, fitting, target.late);
    return { section: { label: target.url, ...chosen }, source, text: page.text };
  } catch (error) {
    return failed(target.url, expected(error, target, call));
  }
}

function withLateness({ late }: Target, call: ToolContext): ToolContext {
  return { ...call, signal: AbortSignal.any([call.signal, late]) };
}

/** What is expected to fail, as a fault of its page; anything else is thrown on. */
function expected(error: unknown, { late }: Target, call: ToolContext): ToolFault {
  if (call.signal.aborted) throw error;
  if (late.aborted) return tooLate;
  if (error instanceof Aborted) throw error;
  if (!(error instanceof ArgosyError)) throw error;
  return error instanceof NotFound ? lostCorpus : faultOf(error);
}

async function openDocument({ corpora }: VisitParts, uri: string, context: ToolContext): Promise<Opened | ToolFault> {
  await corpora.provide(context.tenantId, context.policy.corpora, context.signal);
  const found = await corpora.document(context.policy.corpora, uri, context.signal);
  if (!found)
    return { kind: 'invalid', message: 'No document of this run has this address; use one that search returned.' };
  return { source: found.source, page: { text: found.text, spans: found.passages } };
}

async function openPage(parts: VisitParts, address: string, context: ToolContext): Promise<Opening> {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (!url || !/^https?:$/.test(url.protocol)) {
    return {
      kind: 'invalid',
      message: 'This is no address that can be read: give an http or https URL, or a corpus: address.',
    };
  }
  if (!parts.pages) return { kind: 'blocked', message: 'Pages cannot be visited here: no way out is set up.' };
  return await parts.pages.open(url, context);
}

function failed(label: string, fault: ToolFault): Visit {
  return { section: { label, passages: [], fault } };
}

function output(visits: readonly Visit[], reading: Observation['reading']): ToolOutput {
  const sources = new Map<string, SourceDocument>();
  const snapshots = new Map<string, string>();
  for (const { source, text } of visits) {
    if (!source || text === undefined || sources.has(source.sha256)) continue;
    sources.set(source.sha256, source);
    snapshots.set(source.sha256, text);
  }
  const sections = visits.map((v) => v.section);
  const observation = { sections, sources: [...sources.values()], ...(reading === undefined ? {} : { reading }) };
  return { observation, snapshots };
}
