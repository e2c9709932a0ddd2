import type { Section, SourceDocument } from '#domain';
import { Aborted, NotFound } from '#errors';
import { stringsArgument, stringsSchema } from './arguments.ts';
import type { Corpora } from './corpus/corpora.ts';
import type { Candidate } from './corpus/types.ts';
import type { Tool, ToolContext, ToolOutput, ToolSignature } from './tool.ts';

/** What a model is shown of `search`. */
export const searchSignature: ToolSignature = {
  name: 'search',
  description:
    'Searches the documents of this run. Give one or more queries; each returns the passages that match it best, with their source.',
  parameters: {
    type: 'object',
    properties: { query: stringsSchema('1 to 5 queries: words and names that the wanted text holds.') },
    required: ['query'],
    additionalProperties: false,
  },
};

/** The tool `search`: passages of the run's corpora for 1 to 5 queries, all asked at once. */
export function searchTool(corpora: Corpora): Tool {
  return {
    signature: searchSignature,
    deadlineMs: 30_000,
    sideEffects: false,
    async run(args, context) {
      const queries = stringsArgument(args, 'query');
      const hits = await Promise.all(queries.map((query) => hitsOf(corpora, query, context)));
      return output(corpora, hits, context);
    },
  };
}

/** What one query found: the section and the candidates behind it. */
interface Hits {
  readonly section: Section;
  readonly candidates: readonly Candidate[];
}

async function hitsOf(corpora: Corpora, query: string, { tenantId, policy, signal }: ToolContext): Promise<Hits> {
  const ids = policy.corpora;
  if (ids.length === 0) {
    const why = policy.web ? 'no web search is set up' : 'the web is not allowed';
    return fault(
      query,
      'blocked',
      `Nothing to search: this run has no documents and ${why}. Visit the given URLs instead.`,
    );
  }
  try {
    await corpora.provide(tenantId, ids, signal);
    const best = await corpora.search(ids, query, signal);
    if (best.length === 0) return fault(query, 'empty', 'No passage fits this query. Try other words.');
    return { section: { label: query, passages: best.map(passageOf) }, candidates: best };
  } catch (error) {
    if (error instanceof Aborted) throw error;
    const kind = error instanceof NotFound ? 'invalid' : 'transient';
    const message =
      kind === 'invalid' ? 'A corpus of this run is not there any more.' : 'The documents could not be searched.';
    return fault(query, kind, message);
  }
}

function fault(label: string, kind: 'blocked' | 'empty' | 'invalid' | 'transient', message: string): Hits {
  return { section: { label, passages: [], fault: { kind, message } }, candidates: [] };
}

function passageOf({ sha256, start, end, text, headings, score }: Candidate) {
  return { sha256, start, end, text, headings, score };
}

async function output(corpora: Corpora, hits: readonly Hits[], { policy, signal }: ToolContext): Promise<ToolOutput> {
  const sources = new Map<string, SourceDocument>();
  for (const { uri, title, sha256, bytes, fetchedAt } of hits.flatMap((found) => found.candidates)) {
    if (!sources.has(sha256)) sources.set(sha256, { uri, title, sha256, bytes, fetchedAt });
  }
  const snapshots =
    sources.size > 0 ? await corpora.texts(policy.corpora, [...sources.keys()], signal) : new Map<string, string>();
  return { observation: { sections: hits.map((found) => found.section), sources: [...sources.values()] }, snapshots };
}
