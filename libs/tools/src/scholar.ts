import { hash } from 'node:crypto';
import type { Passage, SearchHit, Section, SourceDocument } from '#domain';
import { stringsArgument, stringsSchema } from './arguments.ts';
import { clipped } from './providers/plain.ts';
import { type FoundWork, mergeWorks } from './scholar-merge.ts';
import type { SearchParts } from './search-ask.ts';
import { faultOfAll } from './search-merge.ts';
import { askAll, attributionsOf, choose } from './search-web.ts';
import type { Tool, ToolContext, ToolOutput, ToolSignature } from './tool.ts';

/** What a model is shown of `scholar`. */
export const scholarSignature: ToolSignature = {
  name: 'scholar',
  description:
    'Searches scholarly works. Give one or more queries; each returns works with authors, year, venue, citations, abstract and, where there is one, a PDF that is open to everyone.',
  parameters: {
    type: 'object',
    properties: { query: stringsSchema('1 to 5 queries: subject, title or author.') },
    required: ['query'],
    additionalProperties: false,
  },
};

/** In characters; a few abstracts are whole chapters. */
const LONGEST_ABSTRACT = 4_000;
/** Large collaborations sign by the thousand. */
const MOST_AUTHORS = 20;

/**
 * The tool `scholar`: works on 1 to 5 queries, all asked at once. What is known of a work is a source of its own, so that
 * a claim may quote its abstract.
 */
export function scholarTool(parts: SearchParts): Tool {
  return {
    signature: scholarSignature,
    deadlineMs: 30_000,
    sideEffects: false,
    async run(args, context) {
      const queries = stringsArgument(args, 'query');
      const found = await Promise.all(queries.map((query) => searchOne(parts, query, context)));
      return output(found, parts);
    },
  };
}

/** What is known of a work as a text that can be quoted, and where in it the words of the query may be answered. */
interface Known {
  readonly source: SourceDocument;
  readonly passage: Passage;
  readonly text: string;
}

interface Found {
  readonly section: Section;
  readonly records: readonly Known[];
}

async function searchOne(parts: SearchParts, query: string, context: ToolContext): Promise<Found> {
  const scholarly = parts.providers.filter(({ field }) => field === 'scholarly');
  const chosen = choose({ ...parts, providers: scholarly }, context.policy);
  if ('kind' in chosen) return { section: { label: query, passages: [], fault: chosen }, records: [] };
  const answers = await askAll(parts, chosen, query, context);
  const { works, outside } = mergeWorks(answers, query, context.policy);
  if (works.length === 0) {
    return { section: { label: query, passages: [], fault: faultOfAll(answers, outside) }, records: [] };
  }
  const records = works.flatMap((work, rank) => (work.abstract === '' ? [] : [recordOf(work, works.length - rank)]));
  const passages = records.map(({ passage }) => passage);
  return { section: { label: query, passages, hits: works.map(pointerTo) }, records };
}

/** What the record below tells at length is not told twice. */
function pointerTo({ hit, abstract }: FoundWork): SearchHit {
  const snippet = abstract === '' ? hit.snippet : '';
  return { ...hit, snippet, work: { ...hit.work, authors: hit.work.authors.slice(0, MOST_AUTHORS) } };
}

function recordOf({ hit, abstract, madeAt }: FoundWork, score: number): Known {
  const { authors, venue, year } = hit.work;
  const more = authors.length > MOST_AUTHORS ? ` and ${authors.length - MOST_AUTHORS} more` : '';
  const signed = authors.length > 0 ? `${authors.slice(0, MOST_AUTHORS).join(', ')}${more}` : '';
  const published = [venue, year].filter((part) => part !== null).join(', ');
  const head = [hit.title, signed, published].filter((line) => line !== '').join('\n');
  const text = `${head}\n\n${clipped(abstract, LONGEST_ABSTRACT)}`;
  const sha256 = hash('sha256', text);
  return {
    source: { uri: hit.url, title: hit.title, sha256, bytes: Buffer.byteLength(text), fetchedAt: madeAt },
    passage: { sha256, start: 0, end: text.length, text, headings: [], score },
    text,
  };
}

function output(found: readonly Found[], { providers }: SearchParts): ToolOutput {
  const records = new Map(found.flatMap(({ records }) => records).map((record) => [record.source.sha256, record]));
  const sources = [...records.values()].map(({ source }) => source);
  const snapshots = new Map([...records].map(([sha256, { text }]) => [sha256, text]));
  const sections = found.map(({ section }) => section);
  return { observation: { sections, sources, ...attributionsOf(sections, providers) }, snapshots };
}
