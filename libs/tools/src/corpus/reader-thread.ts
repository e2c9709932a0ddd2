import { serve } from '../thread/serve.ts';
import { probe } from './open-index.ts';
import { Reader } from './query.ts';
import type { CorpusFile, TermQuery } from './types.ts';

/** What the reader thread is asked. */
export type ReadRequest =
  | { readonly kind: 'describe'; readonly file: string; readonly id: string }
  | { readonly kind: 'probe'; readonly file: string }
  | {
      readonly kind: 'match';
      readonly corpora: readonly CorpusFile[];
      readonly query: TermQuery;
      readonly limit: number;
    }
  | {
      readonly kind: 'plain';
      readonly corpora: readonly CorpusFile[];
      readonly question: string;
      readonly limit: number;
    }
  | { readonly kind: 'search'; readonly corpora: readonly CorpusFile[]; readonly question: string }
  | { readonly kind: 'statistics'; readonly corpora: readonly CorpusFile[]; readonly terms: readonly string[] }
  | { readonly kind: 'document'; readonly corpora: readonly CorpusFile[]; readonly uri: string }
  | { readonly kind: 'texts'; readonly corpora: readonly CorpusFile[]; readonly hashes: readonly string[] };

const reader = new Reader();

serve((message) => {
  const request = message as ReadRequest; // posted only by Corpora
  switch (request.kind) {
    case 'describe':
      return reader.describe(request.file, request.id);
    case 'probe':
      return probe(request.file);
    case 'match':
      return reader.match(request.corpora, request.query, request.limit);
    case 'search':
      return reader.search(request.corpora, request.question);
    case 'plain':
      return reader.plainSearch(request.corpora, request.question, request.limit);
    case 'statistics':
      return reader.statistics(request.corpora, request.terms);
    case 'document':
      return reader.document(request.corpora, request.uri);
    case 'texts':
      return reader.texts(request.corpora, request.hashes);
  }
});
