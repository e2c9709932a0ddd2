import type { Section, SourceDocument, ToolFault } from '#domain';
import { Aborted, NotFound } from '#errors';
import { stringsArgument, stringsSchema } from './arguments.ts';
import type { Corpora } from './corpus/corpora.ts';
import type { Candidate } from './corpus/types.ts';
import type { SearchParts } from './search-ask.ts';
import { attributionsOf, choose, type Pages, searchWeb } from './search-web.ts';
import type { Tool, ToolContext, ToolOutput, ToolSignature } from './tool.ts';

/** What a model is shown of `search`. */
export const searchSignature: ToolSignature = {
  name: 'search',
  description:
    'Searches the documents of this run and, where it is allowed, the web. Give one or more queries; each returns the passages of documents that match it best, with their source, and the pages of the web to visit.',
  parameters: {
    type: 'object',
    properties: { query: stringsSchema('1 to 5 queries: words and names that the wanted text holds.') },
    required: ['query'],
    additionalProperties: false,
  },
};

/**
 * The tool `search`: passages of the run's corpora and pages of the web for 1 to 5 queries, all asked at once.
 * @param web null where this process has no search provider: only corpora are searched
 */
export function searchTool(corpora: Corpora, web: SearchParts | null): Tool {
  return {
    signature: searchSignature,
    deadlineMs: 30_000,
    sideEffects: false,
    async run(args, context) {
      const queries = stringsArgument(args, 'query');
      const found = await Promise.all(queries.map((query) => searchOne({ corpora, web }, query, context)));
      return output({ corpora, web }, found, context);
    },
  };
}

interface Where {
  readonly corpora: Corpora;
  readonly web: SearchParts | null;
}

/** What one query found: the section and the candidates behind it. */
interface Found {
  readonly section: Section;
  readonly candidates: readonly Candidate[];
}

async function searchOne({ corpora, web }: Where, query: string, context: ToolContext): Promise<Found> {
  const hasDocuments = context.policy.corpora.length > 0;
  const choice = choose(web, context.policy);
  const isOpen = web !== null && !('kind' in choice);
  if (!hasDocuments && !isOpen) return { section: nothingToSearch(query, choice), candidates: [] };
  const [documents, pages] = await Promise.all([
    hasDocuments ? searchDocuments(corpora, query, context) : noDocuments,
    isOpen ? searchWeb(web, choice, query, context) : noPages,
  ]);
  const passages = documents.best.map(passageOf);
  // None at all: nobody there answered.
  const hits = pages.hits.length > 0 || pages.fault?.kind === 'empty' ? { hits: pages.hits } : {};
  const isBare = passages.length === 0 && pages.hits.length === 0;
  const fault = isBare ? worse(documents.fault, pages.fault) : undefined;
  return {
    section: { label: query, passages, ...hits, ...(fault === undefined ? {} : { fault }) },
    candidates: documents.best,
  };
}

function nothingToSearch(label: string, choice: ReturnType<typeof choose>): Section {
  const why = 'kind' in choice ? choice.message : '';
  const message = `Nothing to search: this run has no documents. ${why} Visit the given URLs instead.`;
  return { label, passages: [], fault: { kind: 'blocked', message } };
}

interface Documents {
  readonly best: readonly Candidate[];
  readonly fault?: ToolFault;
}

const noDocuments: Documents = { best: [] };
const noPages: Pages = { hits: [] };

async function searchDocuments(
  corpora: Corpora,
  query: string,
  { tenantId, policy, signal }: ToolContext,
): Promise<Documents> {
  const ids = policy.corpora;
  try {
    await corpora.provide(tenantId, ids, signal);
    const best = await corpora.search(ids, query, signal);
    if (best.length > 0) return { best };
    return { best, fault: { kind: 'empty', message: 'No passage fits this query. Try other words.' } };
  } catch (error) {
    if (error instanceof Aborted) throw error;
    const isGone = error instanceof NotFound;
    const message = isGone ? 'A corpus of this run is not there any more.' : 'The documents could not be searched.';
    return { best: [], fault: { kind: isGone ? 'invalid' : 'transient', message } };
  }
}

/** Of two that found nothing, the one that did not look: only who looked everywhere may say that there is nothing. */
function worse(documents: ToolFault | undefined, pages: ToolFault | undefined): ToolFault | undefined {
  if (documents === undefined || pages === undefined) return documents ?? pages;
  return documents.kind === 'empty' ? pages : documents;
}

function passageOf({ sha256, start, end, text, headings, score }: Candidate) {
  return { sha256, start, end, text, headings, score };
}

async function output(
  { corpora, web }: Where,
  found: readonly Found[],
  { policy, signal }: ToolContext,
): Promise<ToolOutput> {
  const sources = new Map<string, SourceDocument>();
  for (const { uri, title, sha256, bytes, fetchedAt } of found.flatMap(({ candidates }) => candidates)) {
    if (!sources.has(sha256)) sources.set(sha256, { uri, title, sha256, bytes, fetchedAt });
  }
  const snapshots =
    sources.size > 0 ? await corpora.texts(policy.corpora, [...sources.keys()], signal) : new Map<string, string>();
  const sections = found.map(({ section }) => section);
  const said = attributionsOf(sections, web?.providers ?? []);
  return { observation: { sections, sources: [...sources.values()], ...said }, snapshots };
}
