import { Extraction } from '../text/extraction.ts';
import { serve } from '../thread/serve.ts';
import { type SyncRequest, sync } from './indexer.ts';
import { locate } from './locate.ts';
import { survey } from './survey.ts';

/** What the index thread is asked. */
export type IndexRequest =
  | { readonly kind: 'locate'; readonly path: string }
  | { readonly kind: 'survey'; readonly path: string }
  | ({ readonly kind: 'sync' } & SyncRequest);

const extraction = new Extraction();
let last: Promise<unknown> = Promise.resolve();

serve((message, { signal, progress }) => {
  const request = message as IndexRequest; // posted only by Corpora
  if (request.kind === 'locate') return locate(request.path);
  if (request.kind === 'survey') return survey(request.path);
  // One after the other: two writers in one thread would only wait for each other.
  const turn = last.then(() => sync(request, { extraction, signal, progress }));
  last = turn.catch(() => undefined);
  return turn;
});
