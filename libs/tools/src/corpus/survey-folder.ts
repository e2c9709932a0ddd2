import { resolve } from 'node:path';
import { Thread } from '../thread/thread.ts';
import type { IndexRequest } from './index-thread.ts';
import type { Survey } from './survey.ts';

/** Heap of the thread: names of a hundred thousand files take a fraction of it. */
const heapMb = 512;

/**
 * Lists what of a folder (or single file) would be indexed, in a thread of its own. Cost: a stat per file.
 * @throws InvalidInput when it is missing, unreadable or holds nothing that can be used; Aborted
 */
export async function surveyFolder(path: string, signal?: AbortSignal): Promise<Survey> {
  const thread = Thread.spawn('index-thread', import.meta.url, heapMb);
  try {
    const request: IndexRequest = { kind: 'survey', path: resolve(path) };
    return (await thread.call(request, { what: 'Looking at the folder', signal })) as Survey; // index-thread's answer
  } finally {
    await thread.terminate();
  }
}
